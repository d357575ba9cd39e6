package semaphores

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// act is something that another process does with a semaphore while one waits for a unit. It must not hang, and must leave
// the waiter waiting.
type act struct {
	name string
	do   func(t *testing.T, a *agent, path string, descriptor int)
}

var acts = []act{
	{"cat", func(t *testing.T, _ *agent, path string, _ int) { look(t, path) }},
	{"trywait", func(_ *testing.T, a *agent, _ string, descriptor int) {
		a.mustNotWrite(unix.EAGAIN, descriptor, "trywait\n")
	}},
	{"timedwait", func(_ *testing.T, a *agent, _ string, descriptor int) {
		a.mustNotWrite(unix.ETIMEDOUT, descriptor, "timedwait 0.01\n")
	}},
	{"set 0", func(_ *testing.T, a *agent, _ string, descriptor int) { a.mustWrite(descriptor, "set 0\n") }},
	{"release", func(_ *testing.T, a *agent, _ string, descriptor int) {
		a.mustNotWrite(unix.EPERM, descriptor, "release\n")
	}},
	{"nonsense", func(_ *testing.T, a *agent, _ string, descriptor int) {
		a.mustNotWrite(unix.EINVAL, descriptor, "nonsense\n")
	}},
	{"open with O_TRUNC", func(_ *testing.T, a *agent, path string, _ int) {
		a.must("close", a.open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC))
	}},
	{"open with O_APPEND", func(_ *testing.T, a *agent, path string, _ int) {
		other := a.open(path, unix.O_WRONLY|unix.O_APPEND)
		a.mustNotWrite(unix.EAGAIN, other, "trywait\n")
		a.must("close", other)
	}},
	{"chmod", func(_ *testing.T, a *agent, path string, _ int) { a.must("chmod", path, 0o644) }},
	{"fchmod", func(_ *testing.T, a *agent, _ string, descriptor int) { a.must("fchmod", descriptor, 0o600) }},
	{"rename and back", func(_ *testing.T, a *agent, path string, _ int) {
		a.must("rename", path, path+".renamed")
		a.must("rename", path+".renamed", path)
	}},
	{"link and unlink", func(_ *testing.T, a *agent, path string, _ int) {
		a.must("link", path, path+".linked")
		a.must("unlink", path+".linked")
	}},
	{"rename over another", func(_ *testing.T, a *agent, path string, _ int) {
		a.create(path+".other", 1)
		a.must("rename", path, path+".other")
		a.must("rename", path+".other", path)
	}},
	{"poll", func(t *testing.T, a *agent, _ string, descriptor int) {
		if events := a.must("poll", descriptor, unix.POLLIN|unix.POLLOUT, 1000); events != unix.POLLOUT {
			t.Errorf("poll says %#x, want POLLOUT", events)
		}
	}},
	{"sem_open", func(t *testing.T, a *agent, _ string, _ int) {
		a.must("sem_open", "/blocked")
		if value := a.must("sem_getvalue"); value != 0 {
			t.Errorf("sem_getvalue says %d", value)
		}
		a.refused(unix.EAGAIN, "sem_trywait")
		a.must("sem_close")
	}},
	{"extended attribute", func(t *testing.T, _ *agent, path string, _ int) {
		within(t, "setxattr", func() (any, error) { return nil, unix.Setxattr(path, "user.shmfs.on-orphan", []byte("keep"), 0) })
	}},
	{"times", func(t *testing.T, _ *agent, path string, _ int) {
		now := unix.NsecToTimespec(time.Now().UnixNano())
		within(t, "utimensat", func() (any, error) {
			return nil, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{now, now}, 0)
		})
	}},
	{"owner", func(t *testing.T, _ *agent, path string, _ int) {
		within(t, "chown", func() (any, error) { return nil, unix.Chown(path, 12345, 12345) })
		within(t, "chown", func() (any, error) { return nil, unix.Chown(path, 0, 0) })
	}},
	{"list", func(t *testing.T, _ *agent, _ string, _ int) {
		rig.MustRun(t, rig.SharedMemory, patience, exec.Command("ls", "-l", rig.SharedMemory))
	}},
	{"another process opens, writes and is killed", func(t *testing.T, _ *agent, path string, _ int) {
		b := glibc.agent(t)
		b.mustNotWrite(unix.EAGAIN, b.open(path, unix.O_RDWR), "trywait\n")
		b.kill()
	}},
	{"another waits and is interrupted", func(t *testing.T, _ *agent, path string, _ int) {
		b := glibc.agent(t)
		b.beginWrite(b.open(path, unix.O_RDWR), "wait\n")
		awaitWaiters(t, path, 2)
		b.interrupt()
		b.awaitRefused(unix.EINTR)
		b.kill()
	}},
}

// TestNothingHangsWhileOneWaits lets one process wait, whose descriptor was opened and used in different ways, while others do
// everything there is to do with the file.
func TestNothingHangsWhileOneWaits(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		for _, opened := range []struct {
			name  string
			flags int
			used  int // commands written before the one that waits
		}{
			{"for reading and writing", unix.O_RDWR, 0},
			{"for writing", unix.O_WRONLY, 1},
			{"for writing, and long used", unix.O_RDWR, 50},
			{"for appending", unix.O_WRONLY | unix.O_APPEND, 3},
			{"with O_TRUNC", unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC, 5},
			{"with O_DIRECT and O_SYNC", unix.O_RDWR | unix.O_DIRECT | unix.O_SYNC, 5},
		} {
			t.Run(opened.name, func(t *testing.T) {
				a, waiter := glibc.agent(t), glibc.agent(t)
				path := sem("blocked")
				a.create(path, 0)
				descriptor := a.open(path, unix.O_RDWR)
				waiting := waiter.open(path, opened.flags)
				for range opened.used {
					waiter.mustWrite(waiting, "set 0\n")
				}
				waiter.beginWrite(waiting, "wait\n")
				awaitWaiters(t, path, 1)
				for _, act := range acts {
					start := time.Now()
					act.do(t, a, path, descriptor)
					if took := time.Since(start); took > 5*time.Second {
						t.Errorf("%s took %v while one waited", act.name, took)
					}
					awaitWaiters(t, path, 1)
				}
				a.mustWrite(descriptor, "post\n")
				waiter.awaitDone(5)
				wantValue(t, path, 0)
				a.must("unlink", path)
			})
		}
	})
}

// TestWaitsThroughOneOpenFile lets subshells wait by the same open file, which they inherited. The kernel lets one of them write at
// a time; posts by another open file release both.
func TestWaitsThroughOneOpenFile(t *testing.T) {
	script := `exec 9<>"$1"
(echo wait >&9) & first=$!
(echo wait >&9) & second=$!
until grep -q 'waiters: [12]' "$1"; do sleep 0.01; done
echo post > "$1"
echo post > "$1"
wait $first && wait $second`
	inEach(t, passthrough, func(t *testing.T) {
		glibc.agent(t).create(sem("shared"), 0)
		mustShell(t, "bash", script, sem("shared"))
		wantValue(t, sem("shared"), 0)
		mustShell(t, "bash", `rm "$1"`, sem("shared"))
	})
}

// TestShellsWhileShellsWait lets several real shells keep the semaphore open and wait, while others use, empty and remove it.
func TestShellsWhileShellsWait(t *testing.T) {
	const waiters = 3
	inEach(t, passthrough, func(t *testing.T) {
		glibc.agent(t).create(sem("shells"), 0)
		var commands []*exec.Cmd
		for i := range waiters {
			script := []string{`echo wait > "$1"`, `exec 9<>"$1"; echo wait >&9; exec 9>&-`, `echo 'timedwait 30' >> "$1"`}[i]
			commands = append(commands, exec.Command(rig.Program(t, "bash"), "-c", script, "bash", sem("shells")))
		}
		until := fmt.Sprintf(`until grep -q 'waiters: %d' "$1"; do sleep 0.01; done`, waiters)
		script := []string{"set -e", until, `exec 8<>"$1"`, `cat "$1" > /dev/null`, `: > "$1"`, `chmod 640 "$1"`, `mv "$1" "$1.moved"`,
			`ln "$1.moved" "$1"`, `rm "$1.moved"`, `! echo trywait > "$1" 2>/dev/null`, until, `rm "$1"`}
		for range waiters {
			script = append(script, `echo post >&8`)
		}
		commands = append(commands, exec.Command(rig.Program(t, "bash"), "-c", strings.Join(script, "\n"), "bash", sem("shells")))
		for i, ended := range rig.Run(t, rig.SharedMemory, patience, commands...) {
			if ended.Err != nil {
				t.Errorf("%s: %v\n%s%s", commands[i], ended.Err, ended.Stdout, ended.Stderr)
			}
		}
	})
}
