package semaphores

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

const onOrphan = "user.shmfs.on-orphan"

// setOnOrphan says what happens to a semaphore without users.
func setOnOrphan(t testing.TB, path, what string) {
	t.Helper()
	within(t, "setting "+onOrphan, func() (any, error) { return nil, unix.Setxattr(path, onOrphan, []byte(what), 0) })
}

// awaitStuck returns when the text says so.
func awaitStuck(t testing.TB, path, want string) {
	t.Helper()
	eventually(t, "stuck: "+want, func() (bool, any) { s := look(t, path); return s.stuck == want, s })
}

// wantStuck fails unless the text says so now.
func wantStuck(t testing.TB, path, want, when string) {
	t.Helper()
	if s := look(t, path); s.stuck != want {
		t.Errorf("%s: %+v, want stuck: %s", when, s, want)
	}
}

// TestStuck kills processes that took the unit by libc, with others waiting for it.
func TestStuck(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		path := sem("lock")
		taker := l.agent(t)
		taker.must("sem_exclusive", l.semaphore("lock"), 1)
		taker.must("sem_wait")
		wantStuck(t, path, "no", "nobody waits")
		waiter := l.agent(t)
		waiter.must("sem_open", l.semaphore("lock"))
		waiter.begin("sem_wait")
		awaitWaiters(t, path, 1)
		wantStuck(t, path, "no", "one waits for a process that lives")
		taker.kill()
		awaitStuck(t, path, "yes")
		// Another who maps it and does not wait could post.
		other := l.agent(t)
		other.must("sem_open", l.semaphore("lock"))
		wantStuck(t, path, "no", "a process maps it and does not wait")
		other.kill()
		awaitStuck(t, path, "yes")
		// A second waiter helps nobody.
		second := l.agent(t)
		second.must("sem_open", l.semaphore("lock"))
		second.begin("sem_timedwait", 30_000)
		awaitWaiters(t, path, 2)
		awaitStuck(t, path, "yes")
		// A shell frees them.
		mustShell(t, "bash", `echo 'post 2' > "$1"`, path)
		waiter.awaitDone(0)
		second.awaitDone(0)
		wantStuck(t, path, "no", "nobody waits any more")
		waiter.must("sem_unlink", l.semaphore("lock"))
	})
}

// TestNotStuckWhileHeld waits by libc for what another holds through the file.
func TestNotStuckWhileHeld(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		path := sem("lock")
		holder := l.agent(t)
		holder.must("sem_exclusive", l.semaphore("lock"), 1)
		holder.mustWrite(holder.open(path, unix.O_RDWR), "acquire\n")
		wantStuck(t, path, "no", "nobody waits")
		waiter := l.agent(t)
		waiter.must("sem_open", l.semaphore("lock"))
		waiter.begin("sem_wait")
		awaitWaiters(t, path, 1)
		wantStuck(t, path, "no", "one waits for who holds through the file")
		holder.kill()
		waiter.awaitDone(0)
		wantStuck(t, path, "no", "the waiter has got it")
		waiter.must("sem_unlink", l.semaphore("lock"))
	})
}

// TestTextWaiterIsStuck waits by text where no libc process is left.
func TestTextWaiterIsStuck(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		path := sem("lock")
		a, waiter := l.agent(t), l.agent(t)
		a.must("sem_exclusive", l.semaphore("lock"), 0)
		waiter.beginWrite(waiter.open(path, unix.O_RDWR), "wait\n")
		awaitWaiters(t, path, 1)
		wantStuck(t, path, "no", "its creator maps it")
		a.kill()
		awaitStuck(t, path, "yes")
		b := l.agent(t)
		b.mustEcho(path, "post\n")
		waiter.awaitDone(5)
		wantStuck(t, path, "no", "the waiter has got its unit")
		b.must("unlink", path)
	})
}

// TestOnOrphanAttribute sets and reads the attribute: only the three words are taken.
func TestOnOrphanAttribute(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		path := sem("orphan")
		a := glibc.agent(t)
		a.create(path, 1)
		a.open(path, unix.O_RDONLY) // a user, so that nothing happens
		for _, word := range []string{"keep", "reset", "remove", "keep"} {
			setOnOrphan(t, path, word)
			value := make([]byte, 32)
			if length, err := unix.Getxattr(path, onOrphan, value); err != nil || string(value[:max(length, 0)]) != word {
				t.Errorf("it was set to %q and is %q, %v", word, value[:max(length, 0)], err)
			}
		}
		for _, word := range []string{"", "Keep", "keep\n", "delete", "keep\x00", "resetremove"} {
			if err := unix.Setxattr(path, onOrphan, []byte(word), 0); !errors.Is(err, unix.EINVAL) {
				t.Errorf("setting it to %q: %v, want EINVAL", word, err)
			}
		}
		if err := unix.Removexattr(path, onOrphan); err != nil {
			t.Errorf("removing the attribute: %v", err)
		}
		a.must("unlink", path)
	})
}

// TestOrphanKept is the default: the last user goes, and what it took is gone.
func TestOrphanKept(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		path := sem("orphan")
		for _, explicit := range []bool{false, true} {
			a := l.agent(t)
			a.must("sem_exclusive", l.semaphore("orphan"), 3)
			if explicit {
				setOnOrphan(t, path, "keep")
			}
			a.must("sem_wait")
			a.kill()
			for range 3 {
				if s := look(t, path); s.value != "2" {
					t.Errorf("%+v, want value 2", s)
				}
			}
			mustShell(t, "bash", `rm "$1"`, path)
		}
	})
}

// lastUsers are who may be the last user of a semaphore, and how they go.
var lastUsers = []struct {
	name  string
	begin func(a *agent, l libc, path string) // to be a user
	end   func(a *agent, path string)         // after taking a unit or more
}{
	{"a mapping alone, killed", mapAlone, func(a *agent, _ string) { a.must("sem_wait"); a.kill() }},
	{"a mapping alone, unmapped", mapAlone, func(a *agent, _ string) { a.must("sem_wait"); a.must("sem_close") }},
	{"a descriptor alone, killed", openAlone, func(a *agent, _ string) { a.mustWrite(lowest, "wait\n"); a.kill() }},
	{"a descriptor alone, closed", openAlone, func(a *agent, _ string) { a.mustWrite(lowest, "wait\n"); a.must("close", lowest) }},
	{"both, and a child with both, killed",
		func(a *agent, l libc, path string) { openAlone(a, l, path); mapAlone(a, l, path) },
		func(a *agent, _ string) { a.must("fork"); a.must("sem_wait"); a.kill() }},
	{"a child with the mapping alone, killed after its parent", mapAlone, func(a *agent, path string) {
		a.must("sem_wait")
		child := a.must("fork")
		a.killAlone()
		wantUsed(a.t, path)
		if err := unix.Kill(child, unix.SIGKILL); err != nil {
			a.t.Error(err)
		}
	}},
	{"a libc waiter, killed", mapAlone, func(a *agent, path string) {
		for range 3 {
			a.must("sem_wait")
		}
		a.begin("sem_wait")
		awaitWaiters(a.t, path, 1)
		a.kill()
	}},
	{"a text waiter, killed", openAlone, func(a *agent, path string) {
		a.beginWrite(lowest, "wait\nwait\nwait\nwait\n")
		awaitWaiters(a.t, path, 1)
		a.kill()
	}},
}

// lowest is the descriptor of the first file that an agent opens.
const lowest = 3

func mapAlone(a *agent, l libc, _ string) {
	a.t.Helper()
	a.must("sem_open", l.semaphore("orphan")) // which closes its descriptor
}

func openAlone(a *agent, _ libc, path string) {
	a.t.Helper()
	if descriptor := a.open(path, unix.O_RDWR); descriptor != lowest {
		a.t.Fatalf("the first descriptor is %d", descriptor)
	}
}

// wantUsed fails if the semaphore is gone, or was reset to 3 units.
func wantUsed(t testing.TB, path string) {
	t.Helper()
	if s := look(t, path); s.value == "3" {
		t.Errorf("it was reset before its last user was gone: %+v", s)
	}
}

// TestOrphanReset gives back what the last user took by libc or by text.
func TestOrphanReset(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		path := sem("orphan")
		for _, last := range lastUsers {
			creator, bystander := l.agent(t), l.agent(t)
			creator.must("sem_exclusive", l.semaphore("orphan"), 3)
			setOnOrphan(t, path, "reset")
			bystander.must("sem_open", l.semaphore("orphan"))
			creator.must("sem_wait")
			creator.kill()
			wantUsed(t, path) // the bystander maps it
			user := l.agent(t)
			last.begin(user, l, path)
			bystander.must("sem_trywait")
			bystander.kill()
			wantUsed(t, path) // the user is there
			mustShell(t, "bash", `echo 'post 2' > "$1"`, path)
			last.end(user, path)
			eventually(t, last.name+": reset", func() (bool, any) {
				s := look(t, path)
				return s.value == "3" && s.waiters == "0" && s.state == "ok", s
			})
			mustShell(t, "bash", `rm "$1"`, path)
		}
	})
}

// TestOrphanRemoved removes the name with the last user. Nobody looks at the file meanwhile: a look is a use, whose end would tell
// the daemon.
func TestOrphanRemoved(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		path := sem("orphan")
		for _, last := range lastUsers {
			creator, bystander := l.agent(t), l.agent(t)
			creator.must("sem_exclusive", l.semaphore("orphan"), 3)
			setOnOrphan(t, path, "remove")
			bystander.must("sem_open", l.semaphore("orphan"))
			creator.kill()
			user := l.agent(t)
			last.begin(user, l, path)
			bystander.kill()
			wantName(t, path, nil, "a user is there")
			last.end(user, path)
			eventually(t, last.name+": removed", func() (bool, any) {
				var status unix.Stat_t
				err := unix.Stat(path, &status)
				return errors.Is(err, unix.ENOENT), err
			})
		}
	})
}

// wantName fails unless stat answers so.
func wantName(t testing.TB, path string, want error, when string) {
	t.Helper()
	var status unix.Stat_t
	if err := unix.Stat(path, &status); !errors.Is(err, want) {
		t.Errorf("%s: stat answers %v, want %v", when, err, want)
	}
}

// TestUsedIsNoOrphan lets the semaphore have users of each kind for a while: nothing happens to it.
func TestUsedIsNoOrphan(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		path := sem("orphan")
		creator := l.agent(t)
		creator.must("sem_exclusive", l.semaphore("orphan"), 1)
		setOnOrphan(t, path, "remove")
		creator.must("sem_wait")
		users := map[string]func(a *agent){
			"a mapping alone":            func(a *agent) { a.must("sem_open", l.semaphore("orphan")) },
			"a descriptor for reading":   func(a *agent) { a.open(path, unix.O_RDONLY) },
			"a descriptor for writing":   func(a *agent) { a.open(path, unix.O_WRONLY) },
			"a command that waits":       func(a *agent) { a.beginWrite(a.open(path, unix.O_WRONLY), "wait\n") },
			"a libc function that waits": func(a *agent) { a.must("sem_open", l.semaphore("orphan")); a.begin("sem_wait") },
		}
		previous := creator
		for name, use := range users {
			a := l.agent(t)
			use(a)
			if a.doing != "" {
				awaitWaiters(t, path, 1)
			}
			previous.kill()
			for range 20 {
				wantName(t, path, nil, name)
				_ = look(t, path)
			}
			if a.doing != "" {
				b := l.agent(t)
				b.mustEcho(path, "post\n")
				if got := a.end(); got.errno != 0 {
					t.Errorf("%s: %v", name, got)
				}
				b.kill()
			}
			previous = a
		}
		previous.kill()
		eventually(t, "removed", func() (bool, any) {
			var status unix.Stat_t
			err := unix.Stat(path, &status)
			return errors.Is(err, unix.ENOENT), err
		})
	})
}
