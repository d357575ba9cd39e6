package semaphores

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// TestNobodySeesItUninitialised lists and reads all the time while semaphores are made.
func TestNobodySeesItUninitialised(t *testing.T) {
	const count = 150
	inEach(t, passthrough, func(t *testing.T) {
		text, small := glibc.agent(t), musl.agent(t)
		libc := glibc.agent(t)
		done := make(chan struct{})
		var watcher sync.WaitGroup
		var seen, looks int
		var wrong error
		watcher.Go(func() { seen, looks, wrong = watch(done) })
		for i := range count {
			text.mustEcho(sem(fmt.Sprint("text", i)), "5\n")
			libc.must("sem_exclusive", fmt.Sprint("/glibc", i), 5)
			small.must("sem_exclusive", fmt.Sprint("/sem.musl", i), 5)
		}
		close(done)
		watcher.Wait()
		if wrong != nil {
			t.Error(wrong)
		}
		t.Logf("%d semaphores were looked at in %d listings", seen, looks)
		for _, name := range entries(t) {
			text.must("unlink", sem(strings.TrimPrefix(name, "sem.")))
		}
	})
}

// lasting are the names that stay.
var lasting = regexp.MustCompile(`^sem\.(text|glibc|musl)\d+$`)

// watch lists the root until it is told to end. Each sem.* that it finds must be initialised: created with 5 units.
func watch(done chan struct{}) (seen, looks int, err error) {
	known := map[string]bool{}
	buffer := make([]byte, 64<<10)
	for {
		select {
		case <-done:
			return seen, looks, nil
		default:
		}
		looks++
		names, err := listing(buffer)
		if err != nil {
			return seen, looks, err
		}
		for _, name := range names {
			if known[name] || !strings.HasPrefix(name, "sem.") {
				continue
			}
			text, err := readText(rig.SharedMemory + "/" + name)
			if errors.Is(err, unix.ENOENT) && !lasting.MatchString(name) {
				continue // libc's temporary, gone meanwhile
			}
			if err != nil {
				return seen, looks, fmt.Errorf("%s is listed and cannot be read: %w", name, err)
			}
			s, err := parse(text)
			if err != nil || s.value != "5" || s.state != "ok" || s.initial != "5" {
				return seen, looks, fmt.Errorf("%s was seen as %+v, %v", name, s, err)
			}
			known[name] = true
			seen++
		}
	}
}

// listing reads the root's names once.
func listing(buffer []byte) ([]string, error) {
	descriptor, err := unix.Open(rig.SharedMemory, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the root: %w", err)
	}
	defer unix.Close(descriptor)
	var names []string
	for {
		count, err := unix.Getdents(descriptor, buffer)
		if err != nil {
			return nil, fmt.Errorf("listing the root: %w", err)
		}
		if count == 0 {
			return names, nil
		}
		_, _, names = unix.ParseDirent(buffer[:count], -1, names)
	}
}

// TestCreatorsRace lets many processes create one name at once. With O_EXCL exactly one of them does, and the others know;
// without, there is one semaphore at the end that all of them use.
func TestCreatorsRace(t *testing.T) {
	const rounds, racers = 30, 6
	inEach(t, passthrough, func(t *testing.T) {
		var all []*agent
		for range racers {
			all = append(all, glibc.agent(t))
		}
		for round := range rounds {
			flags := unix.O_RDWR | unix.O_CREAT
			if round%2 == 0 {
				flags |= unix.O_EXCL
			}
			// In every other pair of rounds all have opened before the first writes.
			winner := race(t, all, flags, round%4 < 2)
			s := look(t, sem("race"))
			if s.value != itoa(winner+1) || s.initial != itoa(winner+1) || s.state != "ok" {
				t.Fatalf("%d created it, and it is %+v", winner, s)
			}
			for _, a := range all {
				a.mustEcho(sem("race"), "post\n")
			}
			wantValue(t, sem("race"), winner+1+racers)
			all[0].must("unlink", sem("race"))
			requireAbsent(t, "race")
		}
	})
}

// race lets each agent create the semaphore with its index and one more units; it returns the one that did. Who is late, unless
// all open before the first writes, finds it there already: O_EXCL refuses that, and a number is no command.
func race(t *testing.T, all []*agent, flags int, together bool) int {
	t.Helper()
	for _, a := range all {
		a.begin("open", sem("race"), flags, 0o600)
	}
	winners, descriptors := []int{}, make([]int, len(all))
	for i, a := range all {
		got := a.end()
		switch {
		case got.errno == 0:
			descriptors[i] = got.number
		case got.errno == unix.EEXIST && flags&unix.O_EXCL != 0 && !together:
			continue
		default:
			t.Fatalf("opening a new name: %v", got)
		}
		if !together {
			a.beginWrite(descriptors[i], fmt.Sprintf("%d\n", i+1))
		}
	}
	for i, a := range all {
		if descriptors[i] == 0 {
			continue
		}
		if together {
			a.beginWrite(descriptors[i], fmt.Sprintf("%d\n", i+1))
		}
	}
	for i, a := range all {
		if descriptors[i] == 0 {
			continue
		}
		switch got := a.end(); {
		case got.errno == 0:
			winners = append(winners, i)
		case got.errno == unix.EINVAL && flags&unix.O_EXCL == 0 && !together:
		case got.errno != unix.EEXIST:
			t.Fatalf("a loser is told %v, want EEXIST", got)
		}
		a.must("close", descriptors[i])
	}
	if len(winners) != 1 {
		t.Fatalf("%d created it, want one", len(winners))
	}
	return winners[0]
}
