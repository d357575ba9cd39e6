package semaphores

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBadCommands writes what is no command.
func TestBadCommands(t *testing.T) {
	bad := []string{
		"nonsense", "Post", "POST", "post 0", "post -1", "post x", "post 1 2", "post 2147483648", "post 99999999999999999999", "post 1.5",
		"wait 1", "trywait 1", "timedwait", "timedwait x", "timedwait -1", "timedwait 1 2", "timedwait NaN", "timedwait Inf", "timedwait 1e3",
		"set", "set -1", "set x", "set 2147483648", "set 1 2", "acquire 0", "acquire -1", "acquire x", "acquire 1 2",
		"timedacquire", "timedacquire x", "timedacquire 1 0", "timedacquire 1 x", "timedacquire 1 1 1",
		"release 0", "release -1", "release x", "release 1 2", "posts", "5", "\x00", "post\x00", "\xff\xfe", strings.Repeat("p", 5000),
		"post " + strings.Repeat("0", 200) + "x",
	}
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		a.create(sem("bad"), 3)
		descriptor := a.open(sem("bad"), unix.O_RDWR)
		for _, command := range bad {
			a.mustNotWrite(unix.EINVAL, descriptor, command)
			a.mustNotWrite(unix.EINVAL, descriptor, command+"\n")
			a.mustNotWrite(unix.EINVAL, descriptor, command+"\npost\n")
		}
		wantValue(t, sem("bad"), 3)
		a.must("unlink", sem("bad"))
	})
}

// TestBatches writes several commands at once: what write returns says how far they got.
func TestBatches(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		a.create(sem("batch"), 0)
		descriptor := a.open(sem("batch"), unix.O_RDWR)
		for _, batch := range []struct {
			text  string
			count int
			errno unix.Errno
			value int // from 2 before
		}{
			{"post\n", 5, 0, 3},
			{"post", 4, 0, 3},
			{"post\npost 3\n", 12, 0, 6},
			{"post\npost 3", 11, 0, 6},
			{"\n\npost\n\n\npost\n\n", 15, 0, 4},
			{"\n", 1, 0, 2},
			{"\n\n\n", 3, 0, 2},
			{"trywait\ntrywait\ntrywait\n", 16, 0, 0},
			{"trywait\ntrywait\ntrywait\npost 5\n", 16, 0, 0},
			{"post\nnonsense\npost\n", 5, 0, 3},
			{"nonsense\npost\n", 0, unix.EINVAL, 2},
			{"post 2147483647\npost\n", 0, unix.EOVERFLOW, 2},
			{"post\npost 2147483647\n", 5, 0, 3},
			{"set 7\nwait\nset 1\ntimedwait 1\n", 29, 0, 0},
			{"wait\nwait\ntimedwait 0.01\npost\n", 10, 0, 0},
			{"acquire 2\nrelease\nrelease\n", 26, 0, 2},
			{"acquire 2\nrelease 3\nrelease 2\n", 10, 0, 0},
			{"release\npost\n", 0, unix.EPERM, 2},
		} {
			a.mustWrite(descriptor, "set 2\n")
			if got := a.write(descriptor, batch.text); got.errno != batch.errno || got.number != batch.count {
				t.Errorf("%q: %v, want %d, %v", batch.text, got, batch.count, batch.errno)
			}
			s := look(t, sem("batch"))
			if s.value != itoa(batch.value) {
				t.Errorf("%q: the value is %s, want %d", batch.text, s.value, batch.value)
			}
			if s.held > 0 {
				a.mustWrite(descriptor, fmt.Sprintf("release %d\n", s.held))
			}
		}
		a.must("unlink", sem("batch"))
	})
}

// TestLongBatch writes more than the kernel hands to the daemon at once.
func TestLongBatch(t *testing.T) {
	const lines = 4000
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		a.create(sem("long"), 0)
		descriptor := a.open(sem("long"), unix.O_RDWR)
		text := strings.Repeat("post 3\n", lines)
		for done := 0; done < len(text); {
			got := a.write(descriptor, text[done:])
			if got.errno != 0 || got.number <= 0 {
				t.Fatalf("after %d of %d bytes: %v", done, len(text), got)
			}
			done += got.number
		}
		wantValue(t, sem("long"), 3*lines)
		a.must("unlink", sem("long"))
	})
}

// TestWithoutUnits tries every command that takes where there is nothing to take.
func TestWithoutUnits(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		a.create(sem("none"), 0)
		descriptor := a.open(sem("none"), unix.O_RDWR)
		a.mustNotWrite(unix.EAGAIN, descriptor, "trywait\n")
		a.mustNotWrite(unix.EPERM, descriptor, "release\n")
		for command, least := range map[string]time.Duration{
			"timedwait 0": 0, "timedwait 0.000000001": 0, "timedwait 0.25": 250 * time.Millisecond, "timedwait 0.05": 50 * time.Millisecond,
			"timedacquire 0": 0, "timedacquire 0.05 3": 50 * time.Millisecond,
		} {
			start := time.Now()
			a.mustNotWrite(unix.ETIMEDOUT, descriptor, command+"\n")
			if took := time.Since(start); took < least || took > least+5*time.Second {
				t.Errorf("%s took %v", command, took)
			}
		}
		wantValue(t, sem("none"), 0)
		for _, how := range []int{unix.O_RDWR | unix.O_NONBLOCK, unix.O_WRONLY | unix.O_NONBLOCK} {
			nonblocking := a.open(sem("none"), how)
			for _, command := range []string{"wait", "timedwait 5", "acquire", "acquire 3", "timedacquire 5 2", "trywait"} {
				a.mustNotWrite(unix.EAGAIN, nonblocking, command+"\n")
			}
			a.must("nonblock", nonblocking, 0)
			a.mustNotWrite(unix.ETIMEDOUT, nonblocking, "timedwait 0.02\n")
			a.must("close", nonblocking)
		}
		a.must("nonblock", descriptor, 1)
		a.mustNotWrite(unix.EAGAIN, descriptor, "wait\n")
		if got := a.write(descriptor, "post\nwait\nwait\n"); got.number != 10 {
			t.Errorf("a post, a wait, and a wait that had to wait: %v, want 10", got)
		}
		a.mustWrite(descriptor, "post\nacquire\n")
		a.mustNotWrite(unix.EAGAIN, descriptor, "wait\n")
		a.mustWrite(descriptor, "release\nwait\n")
		wantValue(t, sem("none"), 0)
		a.must("unlink", sem("none"))
	})
}

// TestInterruptedWaits interrupts every way to wait by a signal: nothing was taken, and nobody is counted any more.
func TestInterruptedWaits(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		creator := l.agent(t)
		creator.must("sem_exclusive", l.semaphore("interrupted"), 0)
		waiter := l.user(t, "interrupted")
		for range 5 {
			for _, way := range append(waysOf(l), "acquire 3", "timedacquire 30 3") {
				waiter.beginWait(way)
				awaitWaiters(t, sem("interrupted"), 1)
				waiter.interrupt()
				waiter.awaitRefused(unix.EINTR)
				wantValue(t, sem("interrupted"), 0)
				creator.must("sem_post")
				wantValue(t, sem("interrupted"), 1)
				creator.must("sem_trywait")
			}
		}
		// A unit that was taken before the signal is not lost: the count tells.
		waiter.beginWrite(waiter.descriptor, "post 2\nwait\nwait\nwait\n")
		awaitWaiters(t, sem("interrupted"), 1)
		waiter.interrupt()
		waiter.awaitDone(len("post 2\nwait\nwait\n"))
		wantValue(t, sem("interrupted"), 0)
		creator.must("sem_unlink", l.semaphore("interrupted"))
	})
}

// TestKilledWaiters kills processes that wait: nobody is counted any more and no unit is lost.
func TestKilledWaiters(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		a.create(sem("killed"), 0)
		for _, command := range textWaits {
			waiter := glibc.agent(t)
			waiter.beginWrite(waiter.open(sem("killed"), unix.O_RDWR), command+"\n")
			awaitWaiters(t, sem("killed"), 1)
			waiter.kill()
			awaitWaiters(t, sem("killed"), 0)
			a.mustEcho(sem("killed"), "post\n")
			wantValue(t, sem("killed"), 1)
			a.mustEcho(sem("killed"), "trywait\n")
		}
		a.must("unlink", sem("killed"))
	})
}

// TestPostsRaceWithInterrupts posts while a signal arrives: the unit is either taken by the waiter or still there.
func TestPostsRaceWithInterrupts(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		poster, waiter := glibc.agent(t), glibc.agent(t)
		poster.create(sem("race"), 0)
		from, to := poster.open(sem("race"), unix.O_RDWR), waiter.open(sem("race"), unix.O_RDWR)
		taken := 0
		const rounds = 200
		for round := range rounds {
			waiter.beginWrite(to, "wait\n")
			awaitWaiters(t, sem("race"), 1)
			if round%2 == 0 {
				waiter.interrupt()
			}
			poster.mustWrite(from, "post\n")
			if round%2 != 0 {
				waiter.interrupt()
			}
			switch got := waiter.end(); {
			case got.errno == 0:
				taken++
			case got.errno == unix.EINTR:
				poster.mustWrite(from, "trywait\n")
			default:
				t.Fatalf("the waiter: %v", got)
			}
			wantValue(t, sem("race"), 0)
		}
		t.Logf("%d of %d units were taken before the signal", taken, rounds)
		poster.must("unlink", sem("race"))
	})
}
