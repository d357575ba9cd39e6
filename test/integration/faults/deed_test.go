package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// deed is something done to a daemon that clients do not do, but that has crash points of its own. It may fail, since the daemon dies at one.
// None kills the supervisor: the worker may die at the same moment, and without both the mount is gone.
type deed struct {
	name string
	do   func(*crashing)
}

var deeds = []deed{
	{"replace the worker", (*crashing).replaceWorker},
	{"kill the worker", func(c *crashing) { c.attempt(c.killWorker) }},
	{"change the limits", func(c *crashing) {
		c.command("mount", "-o", fmt.Sprintf("remount,size=%dM", 1024+c.choose(1024)), c.daemon.place)
	}},
	{"set a quota", (*crashing).setQuota},
	{"give a file away", (*crashing).giveAway},
	{"leave a whiteout", (*crashing).leaveWhiteout},
	{"come and go", (*crashing).comeAndGo},
	{"read events", (*crashing).readEvents},
	{"mount and unmount another", (*crashing).mountAnother},
}

// command runs the command line of the daemon's build.
func (c *crashing) command(arguments ...string) {
	c.t.Helper()
	output, err := exec.Command(c.binary, arguments...).CombinedOutput()
	if err != nil {
		c.t.Logf("shmfs %v: %v: %s", arguments, err, output)
	}
}

func (c *crashing) attempt(do func() error) {
	c.t.Helper()
	if err := do(); err != nil {
		c.t.Logf("%v", err)
	}
}

func (c *crashing) replaceWorker() { c.command("reload", c.daemon.place) }

func (c *crashing) readEvents() {
	descriptor, err := unix.Open(filepath.Join(c.daemon.place, ".shmfs", "events"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		c.t.Logf("opening the events: %v", err)
		return
	}
	polled := []unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}
	_, _ = unix.Poll(polled, 100)
	_, _ = unix.Read(descriptor, make([]byte, 64<<10))
	_ = unix.Close(descriptor)
}

// listen has somebody read events for a while.
func (c *crashing) listen() {
	descriptor, err := unix.Open(filepath.Join(c.daemon.place, ".shmfs", "events"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		c.t.Logf("opening the events: %v", err)
		return
	}
	pause(100 * time.Millisecond)
	_ = unix.Close(descriptor)
}

func (c *crashing) readText() {
	if _, err := os.ReadFile(filepath.Join(c.daemon.place, ".shmfs", "config")); err != nil {
		c.t.Errorf("reading a text: %v", err)
	}
}

func (c *crashing) setQuota() {
	c.command("quota", "set", fmt.Sprint(firstUser+1), "--size", fmt.Sprintf("%dM", 512+c.choose(512)), "--mount", c.daemon.place)
}

// giveAway makes a file another user's, which moves what it is charged.
func (c *crashing) giveAway() {
	c.attempt(func() error {
		path := filepath.Join(c.daemon.place, "given-away")
		return errors.Join(os.WriteFile(path, []byte("a gift"), 0o644), os.Chown(path, firstUser, -1), os.Chown(path, firstUser+1, -1), os.Remove(path))
	})
}

// leaveWhiteout renames a file as overlay file systems do.
func (c *crashing) leaveWhiteout() {
	c.attempt(func() error {
		from, to := filepath.Join(c.daemon.place, "moved"), filepath.Join(c.daemon.place, "moved-away")
		return errors.Join(os.WriteFile(from, nil, 0o644), unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_WHITEOUT),
			os.Remove(from), os.Remove(to))
	})
}

// comeAndGo has a process make a file, the only one that it made when that is removed.
func (c *crashing) comeAndGo() {
	c.attempt(func() error {
		path := filepath.Join(c.daemon.place, "come-and-gone")
		return errors.Join(exec.Command("touch", path).Run(), os.Remove(path))
	})
}

// mountAnother mounts and unmounts, elsewhere, a daemon that dies at the same points.
func (c *crashing) mountAnother() {
	directory, err := os.MkdirTemp("", "shmfs-faults-")
	must(c.t, err)
	mount := exec.Command(c.binary, "mount", directory)
	mount.Env = append(os.Environ(), c.environment())
	if output, err := mount.CombinedOutput(); err != nil {
		c.t.Logf("mounting another: %v: %s", err, output)
	}
	if err := exec.Command(c.binary, "umount", directory).Run(); err != nil {
		_ = unix.Unmount(directory, unix.MNT_FORCE)
		_ = unix.Unmount(directory, unix.MNT_DETACH)
	}
	must(c.t, unix.Rmdir(directory))
}
