package lifecycle_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// cachedMount is a mount without passthrough and how its user runs commands.
type cachedMount struct {
	name  string
	mount func(t *testing.T) (directory, log string)
	run   func(t *testing.T, script string) result
	end   func(t *testing.T, directory string)
}

var cachedMounts = []cachedMount{
	{"root", func(t *testing.T) (string, string) {
		log := filepath.Join(t.TempDir(), "log")
		return mounted(t, "-o", "passthrough=off,size=8M", "--log-file", log), log
	}, func(t *testing.T, script string) result {
		return run(t, exec.Command("/bin/sh", "-c", script))
	}, unmount},
	{"ordinary user", func(t *testing.T) (string, string) {
		directory, log := userMountpoint(t), filepath.Join(userMountpoint(t), "log")
		requireSuccess(t, userShmfs(t, "mount", "-o", "size=8M", "--log-file", log, directory))
		return directory, log
	}, func(t *testing.T, script string) result {
		return run(t, asUser(exec.Command("/bin/sh", "-c", script)))
	}, func(t *testing.T, directory string) {
		requireSuccess(t, userShmfs(t, "umount", directory))
	}},
}

// semaphoreHelpers are the processes that map the semaphores of a mount for its daemon.
func semaphoreHelpers(t *testing.T, directory string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(text, []byte("shmfs-semaphore-helper\x00"+directory+"\x00")) {
			continue
		}
		number, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, number)
	}
	return found
}

// Semaphores of a mount without passthrough are text to everybody; the process that maps them is there when needed, does not keep
// the mount in use, and ends with it.
func TestSemaphoresWithoutPassthrough(t *testing.T) {
	t.Parallel()
	for _, c := range cachedMounts {
		t.Run(c.name, func(t *testing.T) {
			directory, log := c.mount(t)
			semaphore := directory + "/sem.jobs"
			require := func(script, want string) {
				t.Helper()
				if got := c.run(t, "cd "+directory+"; "+script); got.code != 0 || got.stdout != want {
					t.Errorf("%s: exit code %d, %q %s", script, got.code, got.stdout, got.stderr)
				}
			}
			if helpers := semaphoreHelpers(t, directory); len(helpers) != 0 {
				t.Errorf("processes %v run that nobody needs yet", helpers)
			}
			require("echo 3 > sem.jobs; head -n 5 sem.jobs", "value: 3\nwaiters: 0\nstate: ok\nlayout: glibc\ninitial: 3\n")
			require("echo post 4 > sem.jobs; echo trywait > sem.jobs; head -n 1 sem.jobs", "value: 6\n")
			require("echo set 1 > sem.jobs; echo trywait > sem.jobs; ! echo trywait 2>/dev/null > sem.jobs; head -n 1 sem.jobs", "value: 0\n")
			require("! echo wait 2>/dev/null > sem.jobs; mv sem.jobs sem.moved; echo post > sem.moved; head -n 1 sem.moved; mv sem.moved sem.jobs",
				"value: 1\n")
			require("exec 9<>sem.jobs; for i in 1 2 3 4 5 6 7 8 9; do echo post >&9; done; exec 9>&-; stat -c %s sem.jobs; head -n 1 sem.jobs",
				"32\nvalue: 10\n")
			helpers := semaphoreHelpers(t, directory)
			if len(helpers) != 1 {
				t.Fatalf("processes %v map its semaphores", helpers)
			}
			watch(t, helpers[0]).kill(t)
			require("echo post > sem.jobs; head -n 1 sem.jobs", "value: 11\n")
			if helpers = semaphoreHelpers(t, directory); len(helpers) != 1 {
				t.Fatalf("processes %v map its semaphores after one was killed", helpers)
			}
			helper := watch(t, helpers[0])
			require("echo post > "+semaphore, "")
			c.end(t, directory)
			requireUnmounted(t, directory)
			if !helper.ended(t, patience) {
				t.Error("the process that mapped its semaphores does not end")
			}
			if text := readLog(t, log); !strings.Contains(text, "without kernel passthrough") {
				t.Errorf("the log does not say why nobody can wait:\n%s", text)
			}
		})
	}
}

// A semaphore that has lost its name is still one to who has it open, where the daemon may open files by handle.
func TestSemaphoreWithoutNameAndPassthrough(t *testing.T) {
	t.Parallel()
	directory := mounted(t, "-o", "passthrough=off,size=8M")
	script := "cd " + directory + "; echo 3 > sem.gone; exec 9<>sem.gone; rm sem.gone; echo post >&9; head -n 1 <&9"
	if got := run(t, exec.Command("/bin/sh", "-c", script)); got.code != 0 || got.stdout != "value: 4\n" {
		t.Errorf("exit code %d, %q %s", got.code, got.stdout, got.stderr)
	}
	unmount(t, directory)
}

// The mount is free as soon as who used it has ended.
func TestSemaphoresDoNotKeepTheMountInUse(t *testing.T) {
	t.Parallel()
	for range 20 {
		directory := mounted(t, "-o", "passthrough=off,size=8M")
		script := "echo 3 > " + directory + "/sem.a && echo post > " + directory + "/sem.a"
		requireSuccess(t, run(t, exec.Command("/bin/sh", "-c", script)))
		if err := unix.Unmount(directory, 0); err != nil {
			t.Errorf("unmounting right after: %v", err)
			unmount(t, directory)
		}
	}
}
