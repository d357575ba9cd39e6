package semaphores

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLibcCreates makes a semaphore as sem_open does: under a temporary name, which must not stay.
func TestLibcCreates(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		before := time.Now()
		a.must("sem_exclusive", l.semaphore("new"), 3)
		if names := entries(t); !slices.Equal(names, []string{"sem.new"}) {
			t.Errorf("the directory shows %q, want the semaphore alone", names)
		}
		s := look(t, sem("new"))
		if s.value != "3" || s.waiters != "0" || s.state != "ok" || s.layout != l.name || s.initial != "3" || s.held != 0 || s.stuck != "no" {
			t.Errorf("the new semaphore is %+v", s)
		}
		// The kernel's clock of files is some milliseconds behind.
		if s.created.Before(before.Add(-time.Second)) || s.created.After(time.Now()) {
			t.Errorf("created %v, want a moment after %v", s.created, before)
		}
		a.refused(unix.EEXIST, "sem_exclusive", l.semaphore("new"), 3)
		a.must("sem_create", l.semaphore("new"), 7)
		if value := a.must("sem_getvalue"); value != 3 {
			t.Errorf("opened again it has %d units, want 3", value)
		}
		a.must("sem_unlink", l.semaphore("new"))
		a.refused(unix.ENOENT, "sem_open", l.semaphore("new"))
		// musl leaves whatever was on its stack in the bytes that it does not use.
		for value := range 5 {
			a.must("sem_exclusive", l.semaphore("new"), value)
			if s := look(t, sem("new")); s.value != itoa(value) || s.initial != itoa(value) || s.state != "ok" {
				t.Errorf("created again with %d it is %+v", value, s)
			}
			a.must("sem_unlink", l.semaphore("new"))
		}
	})
}

// TestLibcsRaceToCreate lets many processes create one semaphore at once: all have to get the same.
func TestLibcsRaceToCreate(t *testing.T) {
	const rounds, racers = 20, 4
	forEach(t, passthrough, func(t *testing.T, l libc) {
		var all []*agent
		for range racers {
			all = append(all, l.agent(t))
		}
		for range rounds {
			for _, a := range all {
				a.begin("sem_create", l.semaphore("race"), 0)
			}
			for _, a := range all {
				a.awaitDone(0)
				a.must("sem_post")
			}
			for _, a := range all {
				if value := a.must("sem_getvalue"); value != racers {
					t.Fatalf("one of them has %d units, want %d", value, racers)
				}
				a.must("sem_close")
			}
			wantValue(t, sem("race"), racers)
			all[0].must("sem_unlink", l.semaphore("race"))
			if names := entries(t); len(names) != 0 {
				t.Fatalf("left: %q", names)
			}
		}
	})
}

// waits are the ways to wait for a unit: libc's functions, and commands.
var (
	libcWaits = []string{"sem_wait", "sem_timedwait 30000", "sem_clockwait 30000"}
	textWaits = []string{"wait", "timedwait 30", "acquire", "timedacquire 30"}
)

// user is a process that uses a semaphore by libc's functions and by text at once.
type user struct {
	*agent
	descriptor int
}

// user opens the semaphore sem.NAME, which exists, in both ways.
func (l libc) user(t testing.TB, name string) user {
	t.Helper()
	a := l.agent(t)
	a.must("sem_open", l.semaphore(name))
	return user{a, a.open(sem(name), unix.O_RDWR)}
}

// beginWait starts to wait in one of the ways.
func (u user) beginWait(way string) {
	u.t.Helper()
	if strings.HasPrefix(way, "sem_") {
		u.begin(way)
		return
	}
	u.beginWrite(u.descriptor, way+"\n")
}

// awaitUnit returns when the wait is over. What was acquired is released and taken again, so that all ways end alike.
func (u user) awaitUnit(way string) {
	u.t.Helper()
	if strings.HasPrefix(way, "sem_") {
		u.awaitDone(0)
		return
	}
	u.awaitDone(len(way) + 1)
	if strings.Contains(way, "acquire") {
		u.mustWrite(u.descriptor, "release\ntrywait\n")
	}
}

// waysOf are all ways to wait that programs of a libc have.
func waysOf(l libc) []string {
	ways := slices.Clone(libcWaits)
	if l == musl {
		ways = ways[:2] // it has no sem_clockwait
	}
	return append(ways, textWaits...)
}

// TestPostWakes posts by libc and by text to one process that waits in each way.
func TestPostWakes(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		creator := l.agent(t)
		creator.must("sem_exclusive", l.semaphore("one"), 0)
		waiter, poster := l.user(t, "one"), l.user(t, "one")
		for _, way := range waysOf(l) {
			for _, post := range []string{"sem_post", "post", "post 1", "set 1"} {
				waiter.beginWait(way)
				awaitWaiters(t, sem("one"), 1)
				if value := poster.must("sem_getvalue"); value != 0 {
					t.Fatalf("%s: sem_getvalue says %d, want 0", way, value)
				}
				if post == "sem_post" {
					poster.must(post)
				} else {
					poster.mustWrite(poster.descriptor, post+"\n")
				}
				waiter.awaitUnit(way)
				wantValue(t, sem("one"), 0)
			}
		}
		creator.must("sem_unlink", l.semaphore("one"))
	})
}

// TestBothKindsWait lets libc's functions and commands wait together; each unit wakes one of them, wherever it comes from.
func TestBothKindsWait(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		poster := l.agent(t)
		poster.must("sem_exclusive", l.semaphore("both"), 0)
		descriptor := poster.open(sem("both"), unix.O_RDWR)
		ways := waysOf(l)
		var waiters []user
		for range ways {
			waiters = append(waiters, l.user(t, "both"))
		}
		for round := range 6 {
			for i, way := range ways {
				waiters[i].beginWait(way)
			}
			awaitWaiters(t, sem("both"), len(ways))
			switch round % 3 {
			case 0:
				poster.mustWrite(descriptor, fmt.Sprintf("post %d\n", len(ways)))
			case 1:
				for range ways {
					poster.must("sem_post")
				}
			case 2:
				for i := range ways {
					if i%2 == 0 {
						poster.must("sem_post")
					} else {
						poster.mustWrite(descriptor, "post\n")
					}
				}
			}
			for i, way := range ways {
				waiters[i].awaitUnit(way)
			}
			wantValue(t, sem("both"), 0)
		}
		poster.must("sem_unlink", l.semaphore("both"))
	})
}

// TestValueAgrees changes the value in all ways; both sides have to see the same.
func TestValueAgrees(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		a.must("sem_exclusive", l.semaphore("value"), 5)
		descriptor := a.open(sem("value"), unix.O_RDWR)
		expect := func(want int) {
			t.Helper()
			if value := a.must("sem_getvalue"); value != want {
				t.Errorf("sem_getvalue says %d, want %d", value, want)
			}
			wantValue(t, sem("value"), want)
		}
		expect(5)
		a.must("sem_trywait")
		expect(4)
		a.mustWrite(descriptor, "trywait\nwait\ntimedwait 0\n")
		expect(1)
		a.must("sem_post")
		expect(2)
		a.mustWrite(descriptor, "post 40\n")
		expect(42)
		a.mustWrite(descriptor, "set 0\n")
		expect(0)
		a.refused(unix.EAGAIN, "sem_trywait")
		a.refused(unix.ETIMEDOUT, "sem_timedwait", 20)
		expect(0)
		a.must("sem_unlink", l.semaphore("value"))
	})
}

// TestOverflow fills a semaphore to the most that libc allows.
func TestOverflow(t *testing.T) {
	const most = 0x7fffffff
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		a.must("sem_exclusive", l.semaphore("full"), most)
		descriptor := a.open(sem("full"), unix.O_RDWR)
		for _, command := range []string{"post", "post 1", "post 2147483647"} {
			a.mustNotWrite(unix.EOVERFLOW, descriptor, command+"\n")
		}
		a.refused(unix.EOVERFLOW, "sem_post")
		wantValue(t, sem("full"), most)
		a.mustWrite(descriptor, "set 2147483640\n")
		a.mustNotWrite(unix.EOVERFLOW, descriptor, "post 8\n")
		wantValue(t, sem("full"), 2147483640)
		a.mustWrite(descriptor, "post 7\n")
		wantValue(t, sem("full"), most)
		if value := a.must("sem_getvalue"); value != most {
			t.Errorf("sem_getvalue says %d", value)
		}
		a.must("sem_unlink", l.semaphore("full"))
	})
}

// commands are all there are, in a form that would succeed at once on a semaphore with units.
var commands = []string{"post", "post 2", "wait", "trywait", "timedwait 1", "set 4", "acquire", "acquire 2", "timedacquire 1 1", "release"}

// TestInvalidFiles makes files of a semaphore's name that are none: all commands are refused and nothing is changed.
func TestInvalidFiles(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		for _, size := range []int{0, 1, 31, 33, 4096, 1 << 20} {
			a.create(sem("bad"), 3)
			a.must("truncate", sem("bad"), size)
			wantInvalid(t, a, sem("bad"), size)
			a.must("unlink", sem("bad"))
		}
		for name, content := range map[string]string{
			"nothing of libc's":       strings.Repeat("\xff", 32),
			"too large a value":       "\x00\x00\x00\x80" + "\x00\x00\x00\x00" + "\x80\x00\x00\x00" + strings.Repeat("\x00", 20),
			"not shared, not private": "\x01\x00\x00\x00" + "\x00\x00\x00\x00" + "\x55\x00\x00\x00" + strings.Repeat("\x00", 20),
		} {
			a.create(sem("bad"), 3)
			descriptor := a.open(sem("bad"), unix.O_RDWR)
			a.must("map", descriptor)
			a.must("poke", 0, told(content))
			wantInvalid(t, a, sem("bad"), 32)
			if got := a.do("peek", 32); got.data != content {
				t.Errorf("%s: it was %q and is %q", name, content, got.data)
			}
			a.must("unmap")
			a.must("close", descriptor)
			a.must("unlink", sem("bad"))
		}
	})
}

// wantInvalid fails unless the text says that the file is no semaphore, and every command is refused.
func wantInvalid(t *testing.T, a *agent, path string, size int) {
	t.Helper()
	descriptor := a.open(path, unix.O_RDWR)
	for _, command := range commands {
		a.mustNotWrite(unix.EINVAL, descriptor, command+"\n")
	}
	a.must("close", descriptor)
	s := look(t, path)
	reason, invalid := strings.CutPrefix(s.state, "invalid")
	if !invalid || strings.Trim(reason, " :") == "" || s.value != "-" || s.waiters != "-" || s.layout != "-" || s.held != 0 {
		t.Errorf("the file of %d bytes is shown as %+v", size, s)
	}
	var status unix.Stat_t
	if err := unix.Stat(path, &status); err != nil || status.Size != int64(size) {
		t.Errorf("%d bytes, %v, want %d", status.Size, err, size)
	}
}

// TestOrdinaryFileBecomesInvalid gives a text file a semaphore's name, and takes it away again.
func TestOrdinaryFileBecomesInvalid(t *testing.T) {
	const text = "some text, and more than thirty-two bytes of it\n"
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		ordinary := strings.TrimSuffix(sem("x"), "sem.x") + "ordinary"
		a.mustEcho(ordinary, text)
		a.must("rename", ordinary, sem("renamed"))
		wantInvalid(t, a, sem("renamed"), len(text))
		a.must("rename", sem("renamed"), ordinary)
		if got, err := readText(ordinary); err != nil || got != text {
			t.Errorf("after it was called a semaphore the file holds %q, %v", got, err)
		}
		a.must("unlink", ordinary)
	})
}

// TestSemaphoreUnderOrdinaryName renames a semaphore to an ordinary name, under which it is plain bytes, and back.
func TestSemaphoreUnderOrdinaryName(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		ordinary := strings.TrimSuffix(sem("x"), "sem.x") + "ordinary"
		a.create(sem("x"), 9)
		a.must("rename", sem("x"), ordinary)
		content, err := readText(ordinary)
		if err != nil || len(content) != 32 || content[0] != 9 {
			t.Errorf("under an ordinary name: %q, %v, want 32 bytes", content, err)
		}
		a.must("rename", ordinary, sem("x"))
		a.mustEcho(sem("x"), "trywait\n")
		wantValue(t, sem("x"), 8)
		a.must("unlink", sem("x"))
	})
}

func itoa(number int) string { return strconv.Itoa(number) }
