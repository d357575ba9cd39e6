package semaphores

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCachedCommands goes through the commands where the daemon has no memory in common with the clients: all do what they
// do elsewhere as long as they need not wait.
func TestCachedCommands(t *testing.T) {
	forEach(t, cached, func(t *testing.T, l libc) {
		path := sem("cached")
		a, b := l.agent(t), l.agent(t)
		a.must("sem_exclusive", l.semaphore("cached"), 3)
		descriptor := b.open(path, unix.O_RDWR)
		expect := func(want int) {
			t.Helper()
			if value := a.must("sem_getvalue"); value != want {
				t.Fatalf("sem_getvalue says %d, want %d", value, want)
			}
			if s := look(t, path); s.value != itoa(want) || s.waiters != "0" || s.state != "ok" || s.layout != l.name {
				t.Fatalf("%+v, want value %d", s, want)
			}
		}
		expect(3)
		for _, step := range []struct {
			command string
			value   int
		}{
			{"post", 4}, {"post 3", 7}, {"trywait", 6}, {"wait", 5}, {"timedwait 5", 4}, {"set 2", 2},
			{"acquire 2", 0}, {"release", 1}, {"timedacquire 1", 0}, {"release 2", 2},
		} {
			b.mustWrite(descriptor, step.command+"\n")
			expect(step.value)
		}
		a.must("sem_wait")
		expect(1)
		a.must("sem_post")
		expect(2)
		b.mustNotWrite(unix.EPERM, descriptor, "release\n")
		b.mustNotWrite(unix.EINVAL, descriptor, "nonsense\n")
		b.mustNotWrite(unix.EOVERFLOW, descriptor, "post 2147483647\n")
		b.mustWrite(descriptor, "set 0\n")
		b.mustNotWrite(unix.EAGAIN, descriptor, "trywait\n")
		for _, command := range []string{"wait", "timedwait 1", "acquire", "timedacquire 1", "acquire 2"} {
			b.mustNotWrite(unix.EOPNOTSUPP, descriptor, command+"\n")
		}
		expect(0)
		a.must("sem_unlink", l.semaphore("cached"))
	})
}

// TestCachedPostsWake posts by text to libc's functions that wait, which are the clients' own.
func TestCachedPostsWake(t *testing.T) {
	forEach(t, cached, func(t *testing.T, l libc) {
		path := sem("cached")
		a, poster := l.agent(t), l.agent(t)
		a.must("sem_exclusive", l.semaphore("cached"), 0)
		descriptor := poster.open(path, unix.O_RDWR)
		for round := range 10 {
			a.begin([]string{"sem_wait", "sem_timedwait 30000"}[round%2])
			awaitWaiters(t, path, 1)
			poster.mustWrite(descriptor, []string{"post\n", "post 1\n", "set 1\n"}[round%3])
			a.awaitDone(0)
			if s := look(t, path); s.value != "0" || s.waiters != "0" {
				t.Fatalf("after the wait: %+v", s)
			}
		}
		a.must("sem_unlink", l.semaphore("cached"))
	})
}

// TestCachedHoldingEnds kills who holds.
func TestCachedHoldingEnds(t *testing.T) {
	inEach(t, cached, func(t *testing.T) {
		path := sem("cached")
		a := glibc.agent(t)
		a.create(path, 3)
		for _, end := range []func(b *agent, descriptor int){
			func(b *agent, _ int) { b.kill() },
			func(b *agent, descriptor int) { b.must("close", descriptor) },
		} {
			b := glibc.agent(t)
			descriptor := b.open(path, unix.O_RDWR)
			b.mustWrite(descriptor, "acquire 2\n")
			wantHeld(t, path, 1, b.holds(2))
			end(b, descriptor)
			eventually(t, "the units are back", func() (bool, any) { s := look(t, path); return s.value == "3" && s.held == 0, s })
		}
		a.must("unlink", path)
	})
}

// TestCachedCreation makes semaphores by shells, which libc then uses; poll says always ready, as for any file there.
func TestCachedCreation(t *testing.T) {
	inEach(t, cached, func(t *testing.T) {
		path := sem("cached")
		for _, interpreter := range interpreters {
			mustShell(t, interpreter, `echo 3 > "$1"; echo post > "$1"; echo trywait >> "$1"; exec 9<>"$1"; echo post >&9; cat <&9 | grep -q '^value: 4$'`, path)
			a := glibc.agent(t)
			a.must("sem_open", "/cached")
			if value := a.must("sem_getvalue"); value != 4 {
				t.Errorf("sem_getvalue says %d, want 4", value)
			}
			a.must("sem_wait")
			descriptor := a.open(path, unix.O_RDWR)
			a.mustWrite(descriptor, "set 0\n")
			const both = unix.POLLIN | unix.POLLOUT
			if events := a.must("poll", descriptor, both, 0); events != both {
				t.Errorf("poll says %#x, want always ready", events)
			}
			a.must("unlink", path)
			a.kill()
		}
		a := glibc.agent(t)
		descriptor := a.open(path, unix.O_RDWR|unix.O_CREAT)
		requireAbsent(t, "cached")
		a.must("close", descriptor)
		requireAbsent(t, "cached")
	})
}

// TestCachedInvalid refuses commands on what is no semaphore.
func TestCachedInvalid(t *testing.T) {
	inEach(t, cached, func(t *testing.T) {
		a := glibc.agent(t)
		for _, size := range []int{0, 31, 33, 5000} {
			a.create(sem("bad"), 3)
			a.must("truncate", sem("bad"), size)
			wantInvalid(t, a, sem("bad"), size)
			a.must("unlink", sem("bad"))
		}
	})
}

// TestCachedMixture lets libc's functions hand a unit round while text posts and takes beside them.
func TestCachedMixture(t *testing.T) {
	const rounds = 200
	forEach(t, cached, func(t *testing.T, l libc) {
		a, b, text := l.agent(t), l.agent(t), l.agent(t)
		a.must("sem_exclusive", l.semaphore("cached"), 0)
		b.must("sem_open", l.semaphore("cached"))
		descriptor := text.open(sem("cached"), unix.O_RDWR)
		for range rounds {
			a.begin("sem_timedwait 30000")
			b.begin("sem_timedwait 30000")
			text.mustWrite(descriptor, "post 3\n")
			a.awaitDone(0)
			b.awaitDone(0)
			text.mustWrite(descriptor, "trywait\n")
		}
		if value := a.must("sem_getvalue"); value != 0 {
			t.Errorf("%d units after %d rounds, want none", value, rounds)
		}
		text.mustWrite(descriptor, fmt.Sprintf("post %d\n", rounds))
		if value := b.must("sem_getvalue"); value != rounds {
			t.Errorf("sem_getvalue says %d, want %d", value, rounds)
		}
		a.must("sem_unlink", l.semaphore("cached"))
	})
}
