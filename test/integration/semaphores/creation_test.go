package semaphores

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// shell runs a script in a real shell with $1 as the semaphore's path, and returns its output.
func shell(t testing.TB, interpreter, script, path string) (string, error) {
	t.Helper()
	ended := rig.Run(t, rig.SharedMemory, patience, exec.Command(rig.Program(t, interpreter), "-c", script, interpreter, path))[0]
	if ended.Err != nil {
		return ended.Stdout, fmt.Errorf("%s -c %q: %w: %s", interpreter, script, ended.Err, ended.Stderr)
	}
	return ended.Stdout, nil
}

// mustShell is shell for a script that has to succeed.
func mustShell(t testing.TB, interpreter, script, path string) string {
	t.Helper()
	output, err := shell(t, interpreter, script, path)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// interpreters are the shells: their redirections differ in how they open, duplicate and write.
var interpreters = []string{"bash", "sh"}

// TestShellsCreate creates, operates and reads a semaphore with nothing but a shell.
func TestShellsCreate(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		for _, interpreter := range interpreters {
			mustShell(t, interpreter, `echo 3 > "$1"`, sem("new"))
			s := look(t, sem("new"))
			if s.value != "3" || s.waiters != "0" || s.state != "ok" || s.layout != "glibc" || s.initial != "3" || s.held != 0 || s.stuck != "no" {
				t.Errorf("the new semaphore is %+v", s)
			}
			mustShell(t, interpreter, `echo post > "$1"; echo post >> "$1"; echo trywait > "$1"; printf 'post 2\nwait' > "$1"`, sem("new"))
			wantValue(t, sem("new"), 5)
			if _, err := shell(t, interpreter, `echo nonsense > "$1"`, sem("new")); !saysErrno(err, interpreter, "nvalid argument") {
				t.Errorf("a command that is none: %v", err)
			}
			if _, err := shell(t, interpreter, `echo 'set 0' > "$1"; echo trywait > "$1"`, sem("new")); !saysErrno(err, interpreter, "temporarily unavailable") {
				t.Errorf("taking without units: %v", err)
			}
			if grown := mustShell(t, interpreter, `cat "$1" "$1" | grep -c ^value:`, sem("new")); grown != "2\n" {
				t.Errorf("cat shows %q values of two", grown)
			}
			mustShell(t, interpreter, `rm "$1"`, sem("new"))
		}
	})
}

// saysErrno tells whether a shell failed and said why, which dash does for no error of a write.
func saysErrno(err error, interpreter, reason string) bool {
	return err != nil && (interpreter != "bash" || strings.Contains(err.Error(), reason))
}

// TestReadAndWriteThroughOneDescriptor is how a shell keeps a semaphore open: cat begins where the writes ended.
func TestReadAndWriteThroughOneDescriptor(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		for _, interpreter := range interpreters {
			for script, value := range map[string]string{
				`exec 9<>"$1"; echo 3 >&9; cat <&9`:                                            "3",
				`echo 3 > "$1"; exec 9<>"$1"; echo trywait >&9; cat <&9`:                       "2",
				`echo 3 > "$1"; exec 9<>"$1"; cat <&9 >/dev/null; echo post >&9; cat <&9`:      "4",
				`echo 3 > "$1"; exec 9<>"$1"; echo acquire >&9; echo post >&9; cat <&9`:        "3",
				`echo 3 > "$1"; exec 9<>"$1"; for i in 1 2 3; do echo wait >&9; done; cat <&9`: "0",
			} {
				output := mustShell(t, interpreter, script, sem("nine"))
				if s, err := parse(output); err != nil || s.value != value {
					t.Errorf("%s -c %q: %v, value %q, want %s\n%s", interpreter, script, err, s.value, value, output)
				}
				mustShell(t, interpreter, `rm "$1"`, sem("nine"))
			}
		}
	})
}

// TestCreatedAndClosed opens new names and closes them without a word: they were never there.
func TestCreatedAndClosed(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		mustShell(t, "bash", `: > "$1"`, sem("never"))
		requireAbsent(t, "never")
		a := glibc.agent(t)
		for _, flags := range []int{unix.O_WRONLY | unix.O_CREAT, unix.O_RDWR | unix.O_CREAT | unix.O_EXCL, unix.O_RDONLY | unix.O_CREAT} {
			descriptor := a.open(sem("never"), flags)
			requireAbsent(t, "never")
			if flags != unix.O_RDONLY|unix.O_CREAT {
				for _, text := range []string{"nonsense\n", "-1\n", "2147483648\n", "0x3\n", "3 4\n"} {
					a.mustNotWrite(unix.EINVAL, descriptor, text)
				}
			}
			requireAbsent(t, "never")
			a.must("close", descriptor)
			requireAbsent(t, "never")
		}
		b := glibc.agent(t)
		b.open(sem("never"), unix.O_RDWR|unix.O_CREAT)
		b.kill()
		requireAbsent(t, "never")
	})
}

// requireAbsent fails if the name is there, or anything else.
func requireAbsent(t *testing.T, name string) {
	t.Helper()
	var status unix.Stat_t
	if err := unix.Stat(sem(name), &status); !errors.Is(err, unix.ENOENT) {
		t.Errorf("stat of sem.%s: %v, want ENOENT", name, err)
	}
	if names := entries(t); len(names) != 0 {
		t.Errorf("the directory shows %q", names)
	}
}

// TestCreatedInEveryWay makes names appear as the contract says.
func TestCreatedInEveryWay(t *testing.T) {
	raw := "\x05\x00\x00\x00\x00\x00\x00\x00\x80" + strings.Repeat("\x00", 23)
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		for _, value := range []string{"0", "1", "2147483647"} {
			a.mustEcho(sem("number"), value+"\n")
			if s := look(t, sem("number")); s.value != value || s.initial != value || s.state != "ok" {
				t.Errorf("created with %s: %+v", value, s)
			}
			a.must("unlink", sem("number"))
		}
		for _, flags := range []int{unix.O_WRONLY, unix.O_RDWR, unix.O_RDWR | unix.O_EXCL, unix.O_RDWR | unix.O_TRUNC, unix.O_WRONLY | unix.O_APPEND} {
			descriptor := a.open(sem("raw"), flags|unix.O_CREAT)
			a.mustWrite(descriptor, raw)
			wantValue(t, sem("raw"), 5)
			// The same open file takes commands from now on.
			a.mustWrite(descriptor, "post\ntrywait\n")
			wantValue(t, sem("raw"), 5)
			a.must("close", descriptor)
			a.must("unlink", sem("raw"))
		}
		descriptor := a.open(sem("sized"), unix.O_RDWR|unix.O_CREAT)
		a.must("ftruncate", descriptor, 100)
		if names := entries(t); !slices.Equal(names, []string{"sem.sized"}) {
			t.Errorf("after ftruncate the directory shows %q", names)
		}
		wantInvalid(t, a, sem("sized"), 100)
		a.must("close", descriptor)
		a.must("unlink", sem("sized"))
		// A mode asked for is the mode it gets.
		descriptor = a.must("open", sem("mode"), unix.O_RDWR|unix.O_CREAT, 0o624)
		a.mustWrite(descriptor, "1\n")
		var status unix.Stat_t
		if err := unix.Fstatat(unix.AT_FDCWD, sem("mode"), &status, 0); err != nil || status.Mode != unix.S_IFREG|0o624 || status.Size != 32 || status.Nlink != 1 {
			t.Errorf("mode %o, size %d, links %d, %v", status.Mode, status.Size, status.Nlink, err)
		}
		a.must("unlink", sem("mode"))
	})
}

// TestExclusiveOnExisting opens what is there with O_EXCL.
func TestExclusiveOnExisting(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		a.create(sem("there"), 1)
		a.refused(unix.EEXIST, "open", sem("there"), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
		// A number is no command.
		if got := a.echo(sem("there"), "3\n"); got.errno != unix.EINVAL {
			t.Errorf("a number written to an existing semaphore: %v", got)
		}
		if _, err := shell(t, "bash", `set -C; echo 3 > "$1"`, sem("there")); err == nil || !strings.Contains(err.Error(), "exist") {
			t.Errorf("a shell that must not overwrite: %v", err)
		}
		wantValue(t, sem("there"), 1)
		a.must("unlink", sem("there"))
	})
}

// TestOpensLeaveItAlone opens with every flag that would empty or extend an ordinary file, in the midst of waits.
func TestOpensLeaveItAlone(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a, waiter := glibc.agent(t), glibc.agent(t)
		a.create(sem("kept"), 4)
		for _, flags := range []int{unix.O_WRONLY | unix.O_TRUNC, unix.O_RDWR | unix.O_TRUNC | unix.O_CREAT, unix.O_WRONLY | unix.O_APPEND, unix.O_RDWR | unix.O_APPEND | unix.O_CREAT | unix.O_TRUNC} {
			descriptor := a.open(sem("kept"), flags)
			wantValue(t, sem("kept"), 4)
			a.mustWrite(descriptor, "post\n")
			a.mustWrite(descriptor, "trywait\n")
			a.mustWrite(descriptor, "set 0\n")
			waiter.beginWrite(waiter.open(sem("kept"), flags), "wait\n")
			awaitWaiters(t, sem("kept"), 1)
			a.mustWrite(descriptor, "post 5\n")
			waiter.awaitDone(5)
			wantValue(t, sem("kept"), 4)
			a.must("close", descriptor)
		}
		var status unix.Stat_t
		if err := unix.Stat(sem("kept"), &status); err != nil || status.Size != 32 {
			t.Errorf("%d bytes, %v, want 32", status.Size, err)
		}
		a.must("unlink", sem("kept"))
	})
}

// TestReadingInPieces reads a few bytes at a time while the value changes: together they are one text of one moment.
func TestReadingInPieces(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		a.create(sem("pieces"), 0)
		for _, piece := range []int{1, 7, 40} {
			descriptor := a.open(sem("pieces"), unix.O_RDONLY)
			text := ""
			for range 1000 {
				got := a.do("read", descriptor, piece)
				if got.errno != 0 {
					t.Fatalf("reading: %v", got)
				}
				if got.number == 0 {
					break
				}
				text += got.data
				a.mustEcho(sem("pieces"), "post 999\n")
			}
			s, err := parse(text)
			if err != nil || s.value != "0" {
				t.Errorf("read by %d bytes: %v, value %s, want 0\n%s", piece, err, s.value, text)
			}
			// From the beginning it is another text, of now.
			a.must("lseek", descriptor, 0, unix.SEEK_SET)
			now := a.do("read", descriptor, 4096)
			if s, err := parse(now.data); err != nil || s.value == "0" {
				t.Errorf("read again: %v, %v", err, now)
			}
			if got := a.do("pread", descriptor, 4096, 0); got.errno != 0 || got.data != now.data {
				t.Errorf("pread at the beginning: %v, read gave %v", got, now)
			}
			a.must("close", descriptor)
			a.mustEcho(sem("pieces"), "set 0\n")
		}
		a.must("unlink", sem("pieces"))
	})
}

// TestNamesThatAreNone makes what is called like a semaphore and is none: in a directory, or no regular file.
func TestNamesThatAreNone(t *testing.T) {
	inEach(t, append(passthrough, cached...), func(t *testing.T) {
		a := glibc.agent(t)
		directory := sem("directory")
		inside := directory + "/sem.x"
		for _, call := range []error{unix.Mkdir(directory, 0o755), unix.Mkfifo(sem("fifo"), 0o600)} {
			if call != nil {
				t.Fatal(call)
			}
		}
		a.mustEcho(inside, "3\n")
		if text, err := readText(inside); text != "3\n" || err != nil {
			t.Errorf("in a directory it holds %q, %v, want what was written", text, err)
		}
		other := rig.SharedMemory + "/semx"
		a.mustEcho(other, "post\n")
		if text, err := readText(other); text != "post\n" || err != nil {
			t.Errorf("semx holds %q, %v, want what was written", text, err)
		}
		pipe := a.open(sem("fifo"), unix.O_RDWR)
		a.mustWrite(pipe, "post\n")
		if got := a.do("read", pipe, 100); got.data != "post\n" {
			t.Errorf("the FIFO gives %v", got)
		}
		for _, name := range []string{inside, other, sem("fifo")} {
			a.must("unlink", name)
		}
		if err := unix.Rmdir(directory); err != nil {
			t.Error(err)
		}
	})
}

// TestNamesChangeUnderWaiters renames, links and removes a semaphore while processes wait: it is the file that they wait for.
func TestNamesChangeUnderWaiters(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		a.must("sem_exclusive", l.semaphore("before"), 0)
		byText, byLibc := l.user(t, "before"), l.user(t, "before")
		both := func(name string, change func()) {
			t.Helper()
			byText.beginWait("wait")
			byLibc.beginWait("sem_timedwait 30000")
			change()
			awaitWaiters(t, sem(name), 2)
			a.mustEcho(sem(name), "post\n")
			a.must("sem_post")
			byText.awaitUnit("wait")
			byLibc.awaitUnit("sem_timedwait")
			wantValue(t, sem(name), 0)
		}
		both("after", func() {
			awaitWaiters(t, sem("before"), 2)
			a.must("rename", sem("before"), sem("after"))
		})
		both("linked", func() {
			awaitWaiters(t, sem("after"), 2)
			a.must("link", sem("after"), sem("linked"))
		})
		both("linked", func() {
			awaitWaiters(t, sem("linked"), 2)
			a.must("unlink", sem("after"))
		})
		// Another semaphore takes the name of the one that is waited for; who has that open goes on with it.
		byText.beginWait("wait")
		byLibc.beginWait("sem_timedwait 30000")
		awaitWaiters(t, sem("linked"), 2)
		descriptor := a.open(sem("linked"), unix.O_RDWR)
		a.create(sem("other"), 7)
		a.must("rename", sem("other"), sem("linked"))
		wantValue(t, sem("linked"), 7)
		a.mustWrite(descriptor, "post\n")
		a.must("sem_post")
		byText.awaitUnit("wait")
		byLibc.awaitUnit("sem_timedwait")
		wantValue(t, sem("linked"), 7)
		got := a.do("pread", descriptor, 4096, 0)
		if s, err := parse(got.data); err != nil || s.value != "0" || s.waiters != "0" {
			t.Errorf("the file without a name: %v, %v", got, err)
		}
		a.must("unlink", sem("linked"))
	})
}

// TestCreatedIsTime compares the text with the clock.
func TestCreatedIsTime(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		before := time.Now()
		a.create(sem("time"), 0)
		after := time.Now()
		created := look(t, sem("time")).created
		if created.Before(before.Add(-time.Second)) || created.After(after.Add(time.Second)) {
			t.Errorf("created at %v, want between %v and %v", created, before, after)
		}
		a.mustEcho(sem("time"), "post\n")
		a.must("chmod", sem("time"), 0o640)
		if again := look(t, sem("time")).created; !again.Equal(created) {
			t.Errorf("it was created at %v and then at %v", created, again)
		}
		a.must("unlink", sem("time"))
	})
}
