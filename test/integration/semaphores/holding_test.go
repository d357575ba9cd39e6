package semaphores

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// wantHeld fails unless the semaphore has that value and is held by just these.
func wantHeld(t testing.TB, path string, value int, holders ...holder) {
	t.Helper()
	s := look(t, path)
	held := 0
	for _, h := range holders {
		held += h.units
	}
	order := func(a, b holder) int { return a.pid - b.pid }
	slices.SortFunc(s.holders, order)
	slices.SortFunc(holders, order)
	if s.value != itoa(value) || s.held != held || !slices.Equal(s.holders, holders) {
		t.Fatalf("%+v, want value %d and holders %+v", s, value, holders)
	}
}

// holds is the line that a text shows of an agent.
func (a *agent) holds(units int) holder {
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", a.pid()))
	if err != nil {
		a.t.Fatal(err)
	}
	return holder{a.pid(), units, string(command[:len(command)-1])}
}

// TestAcquireAndRelease goes through what an open file may do with what it holds.
func TestAcquireAndRelease(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a, b := glibc.agent(t), glibc.agent(t)
		path := sem("held")
		a.create(path, 5)
		ofA, ofB, another := a.open(path, unix.O_RDWR), b.open(path, unix.O_WRONLY), a.open(path, unix.O_RDWR)
		a.mustWrite(ofA, "acquire 2\n")
		wantHeld(t, path, 3, a.holds(2))
		b.mustWrite(ofB, "acquire\ntimedacquire 1 1\n")
		wantHeld(t, path, 1, a.holds(2), b.holds(2))
		// Nobody gives back what another holds, nor more than it holds, nor by another open file.
		a.mustNotWrite(unix.EPERM, ofA, "release 3\n")
		a.mustNotWrite(unix.EPERM, another, "release\n")
		a.mustNotWrite(unix.EPERM, ofA, "release 2147483647\n")
		wantHeld(t, path, 1, a.holds(2), b.holds(2))
		a.mustWrite(ofA, "release\n")
		wantHeld(t, path, 2, a.holds(1), b.holds(2))
		// More than there is, and what it has adds up.
		a.must("nonblock", ofA, 1)
		a.mustNotWrite(unix.EAGAIN, ofA, "acquire 3\n")
		a.mustWrite(ofA, "acquire 2\n")
		wantHeld(t, path, 0, a.holds(3), b.holds(2))
		a.must("nonblock", ofA, 0)
		a.mustNotWrite(unix.ETIMEDOUT, ofA, "timedacquire 0.02\n")
		// Posts and takes are no matter of holding.
		b.mustWrite(ofB, "post\nwait\nset 1\ntrywait\n")
		wantHeld(t, path, 0, a.holds(3), b.holds(2))
		a.mustWrite(ofA, "release 3\n")
		wantHeld(t, path, 3, b.holds(2))
		a.mustNotWrite(unix.EPERM, ofA, "release\n")
		b.must("close", ofB)
		wantValueSoon(t, path, 5)
		// Two open files of one process hold each their own.
		a.mustWrite(ofA, "acquire\n")
		a.mustWrite(another, "acquire 3\n")
		s := look(t, path)
		if s.value != "1" || s.held != 4 || len(s.holders) != 2 {
			t.Errorf("two open files of one process: %+v", s)
		}
		a.must("close", another)
		eventually(t, "the second file's units are back", func() (bool, any) { s := look(t, path); return s.value == "4", s })
		wantHeld(t, path, 4, a.holds(1))
		a.must("close", ofA)
		wantValueSoon(t, path, 5)
		a.must("unlink", path)
	})
}

// wantValueSoon returns when all units are back: a close is answered before the daemon hears of it.
func wantValueSoon(t testing.TB, path string, value int) {
	t.Helper()
	eventually(t, fmt.Sprintf("value: %d, held: 0", value), func() (bool, any) {
		s := look(t, path)
		return s.value == itoa(value) && s.held == 0, s
	})
	wantValue(t, path, value)
}

// TestHoldingEnds ends processes that hold in every way.
func TestHoldingEnds(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		path := sem("held")
		creator := glibc.agent(t)
		creator.create(path, 3)
		for name, end := range map[string]func(a *agent, descriptor int){
			"close":    func(a *agent, descriptor int) { a.must("close", descriptor) },
			"exit":     func(a *agent, _ int) { _ = a.orders.Close(); a.awaitEnd() },
			"kill -9":  func(a *agent, _ int) { a.kill() },
			"kill -11": func(a *agent, _ int) { _ = unix.Kill(a.pid(), unix.SIGSEGV); a.awaitEnd() },
			"exec over it": func(a *agent, descriptor int) {
				a.must("dup", descriptor)
				a.must("close", descriptor)
				wantHeld(t, path, 1, a.holds(2))
				a.kill()
			},
			"kill -9 in a wait": func(a *agent, descriptor int) {
				a.beginWrite(descriptor, "wait\nacquire 5\n")
				awaitWaiters(t, path, 1)
				wantHeld(t, path, 0, a.holds(2))
				a.kill()
				creator.mustEcho(path, "post\n") // the one that wait took for good
			},
			"kill -9 in an acquire": func(a *agent, descriptor int) {
				a.beginWrite(descriptor, "acquire 2\n")
				awaitWaiters(t, path, 1)
				wantHeld(t, path, 1, a.holds(2))
				a.kill()
			},
			"unmapped by libc": func(a *agent, _ int) {
				a.must("sem_open", "/held")
				a.must("sem_close")
				wantHeld(t, path, 1, a.holds(2))
				a.kill()
			},
		} {
			a := glibc.agent(t)
			descriptor := a.open(path, unix.O_RDWR)
			a.mustWrite(descriptor, "acquire 2\n")
			wantHeld(t, path, 1, a.holds(2))
			end(a, descriptor)
			eventually(t, name+": the units are back", func() (bool, any) {
				s := look(t, path)
				return s.value == "3" && s.held == 0 && s.waiters == "0", s
			})
			a.kill()
			wantValue(t, path, 3)
		}
		creator.must("unlink", path)
	})
}

// TestReturnedUnitsWake lets processes wait for what another holds, which is killed.
func TestReturnedUnitsWake(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		creator := l.agent(t)
		creator.must("sem_exclusive", l.semaphore("held"), 2)
		for _, way := range waysOf(l) {
			a, b, waiter := l.agent(t), l.poller(t, sem("held"), "poll"), l.user(t, "held")
			a.mustWrite(a.open(sem("held"), unix.O_RDWR), "acquire 2\n")
			waiter.beginWait(way)
			awaitWaiters(t, sem("held"), 1)
			b.begin(20_000)
			b.awaitPolling()
			a.kill()
			waiter.awaitUnit(way)
			if !b.end() {
				t.Errorf("%s: the poller was not woken", way)
			}
			wantValueSoon(t, sem("held"), 1)
			creator.must("sem_post")
			b.kill()
			waiter.kill()
		}
		creator.must("sem_unlink", l.semaphore("held"))
	})
}

// TestForkedChildrenShare forks a process that holds: the units come back when both are gone, or when one releases.
func TestForkedChildrenShare(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		path := sem("held")
		a := glibc.agent(t)
		a.create(path, 3)
		parent := glibc.agent(t)
		descriptor := parent.open(path, unix.O_RDWR)
		parent.mustWrite(descriptor, "acquire 2\n")
		holds := parent.holds(2)
		child := parent.must("fork")
		parent.killAlone()
		wantHeld(t, path, 1, holds)
		a.mustEcho(path, "post\ntrywait\n")
		wantHeld(t, path, 1, holds)
		if err := unix.Kill(child, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		wantValueSoon(t, path, 3)
		// The parent closes its own, and the child keeps them until it goes.
		parent = glibc.agent(t)
		descriptor = parent.open(path, unix.O_RDWR)
		parent.mustWrite(descriptor, "acquire\n")
		child = parent.must("fork")
		parent.must("close", descriptor)
		wantHeld(t, path, 2, parent.holds(1))
		parent.must("kill", child)
		wantValueSoon(t, path, 3)
		// What the parent releases is no more the child's.
		descriptor = parent.open(path, unix.O_RDWR)
		parent.mustWrite(descriptor, "acquire 3\n")
		child = parent.must("fork")
		parent.mustWrite(descriptor, "release 3\n")
		wantValue(t, path, 3)
		parent.kill()
		wantValueSoon(t, path, 3)
		a.must("unlink", path)
		_ = unix.Kill(child, unix.SIGKILL) // killed with the parent's group already
	})
}

// TestPassedDescriptorsShare passes a descriptor that holds to another process.
func TestPassedDescriptorsShare(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		path := sem("held")
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		left, right := os.NewFile(uintptr(pair[0]), "left"), os.NewFile(uintptr(pair[1]), "right")
		defer left.Close()
		defer right.Close()
		from, to := glibc.agentWith(t, left), glibc.agentWith(t, right)
		from.create(path, 3)
		descriptor := from.open(path, unix.O_RDWR)
		from.mustWrite(descriptor, "acquire 2\n")
		holds := from.holds(2)
		from.must("send", descriptor)
		received := to.must("receive")
		from.kill()
		wantHeld(t, path, 1, holds)
		to.mustWrite(received, "release\n")
		holds.units = 1
		wantHeld(t, path, 2, holds)
		to.kill()
		wantValueSoon(t, path, 3)
		mustShell(t, "bash", `rm "$1"`, path)
	})
}

// TestAcquireTakesAllAtOnce waits for several units, which come one by one: nothing is taken before all are there.
func TestAcquireTakesAllAtOnce(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		path := sem("held")
		a, waiter := glibc.agent(t), glibc.agent(t)
		a.create(path, 1)
		descriptor := waiter.open(path, unix.O_RDWR)
		for _, command := range []string{"acquire 3\n", "timedacquire 30 3\n"} {
			waiter.beginWrite(descriptor, command)
			awaitWaiters(t, path, 1)
			a.mustEcho(path, "post\n")
			if s := look(t, path); s.value != "2" || s.held != 0 || s.waiters != "1" {
				t.Fatalf("%q with two units: %+v", command, s)
			}
			// It reserves none.
			a.mustEcho(path, "trywait\nwait\n")
			if s := look(t, path); s.value != "0" || s.held != 0 || s.waiters != "1" {
				t.Fatalf("%q with no unit: %+v", command, s)
			}
			a.mustEcho(path, "post\npost\npost\npost\n")
			waiter.awaitDone(len(command))
			wantHeld(t, path, 1, waiter.holds(3))
			waiter.mustWrite(descriptor, "release 3\n")
			wantValue(t, path, 4)
			a.mustEcho(path, "set 1\n")
		}
		waiter.mustNotWrite(unix.ETIMEDOUT, descriptor, "timedacquire 0.05 2\n")
		wantValue(t, path, 1)
		a.must("unlink", path)
	})
}

// TestBigAcquireLetsOthersPass wakes single takers beside one that needs more than there is, in both orders of arrival.
func TestBigAcquireLetsOthersPass(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		a.must("sem_exclusive", l.semaphore("held"), 0)
		for _, way := range waysOf(l) {
			for _, bigFirst := range []bool{true, false} {
				big, small := l.user(t, "held"), l.user(t, "held")
				if bigFirst {
					big.beginWait("acquire 3")
					awaitWaiters(t, sem("held"), 1)
				}
				small.beginWait(way)
				if !bigFirst {
					awaitWaiters(t, sem("held"), 1)
					big.beginWait("acquire 3")
				}
				awaitWaiters(t, sem("held"), 2)
				a.must("sem_post")
				small.awaitUnit(way)
				for range 3 {
					a.must("sem_post")
				}
				big.awaitDone(len("acquire 3\n"))
				wantHeld(t, sem("held"), 0, big.holds(3))
				big.kill()
				wantValueSoon(t, sem("held"), 3)
				a.mustEcho(sem("held"), "set 0\n")
				small.kill()
			}
		}
		a.must("sem_unlink", l.semaphore("held"))
	})
}

// TestHeldBeyondTheMost gives units back to a semaphore that has become full: it stays a semaphore.
func TestHeldBeyondTheMost(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		path := sem("held")
		a, b := glibc.agent(t), glibc.agent(t)
		a.create(path, 3)
		descriptor := b.open(path, unix.O_RDWR)
		b.mustWrite(descriptor, "acquire 3\n")
		a.mustEcho(path, "set 2147483647\n")
		b.mustNotWrite(unix.EOVERFLOW, descriptor, "release\n")
		wantHeld(t, path, 2147483647, b.holds(3))
		b.kill()
		wantValueSoon(t, path, 2147483647)
		a.must("unlink", path)
	})
}

// TestHeldWithoutName removes the name of what is held; who has it open goes on.
func TestHeldWithoutName(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		path := sem("held")
		a, b := glibc.agent(t), glibc.agent(t)
		a.create(path, 2)
		ofA, ofB := a.open(path, unix.O_RDWR), b.open(path, unix.O_RDWR)
		b.mustWrite(ofB, "acquire 2\n")
		a.must("unlink", path)
		a.beginWrite(ofA, "wait\n")
		if _, ended := a.endWithin(100_000_000); ended {
			t.Fatal("a unit was taken that another holds")
		}
		b.kill()
		a.awaitDone(5)
		got := a.do("pread", ofA, 4096, 0)
		if s, err := parse(got.data); err != nil || s.value != "1" || s.held != 0 || s.waiters != "0" {
			t.Errorf("without a name: %v, %v", got, err)
		}
	})
}
