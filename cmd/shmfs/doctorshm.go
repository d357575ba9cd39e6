package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// sharedMemory is where libc looks for objects and semaphores.
const sharedMemory = "/dev/shm"

// firstOpenGlibc is the first version of glibc that takes any file system at /dev/shm.
var firstOpenGlibc = [2]int{2, 34}

// examineSharedMemory looks at what is mounted at /dev/shm, and whether libc takes it.
func (p *patient) examineSharedMemory() []finding {
	found, err := within(func() (mountpoint, error) { return resolve(sharedMemory) })
	if err != nil {
		return []finding{{warning, "devshm", fmt.Sprintf("%s: %v: programs find no shared memory", sharedMemory, err),
			"make the directory, and mount a shmfs or a tmpfs there"}}
	}
	findings := judgeSharedMemory(found)
	if found.mount.point == found.path {
		findings = append(findings, judgeRoom(found.path)...)
	}
	return append(findings, judgeGlibc(glibcVersion(), found.shmfs()))
}

// judgeSharedMemory judges what lies at /dev/shm.
func judgeSharedMemory(found mountpoint) []finding {
	switch {
	case found.mount.point != found.path:
		return []finding{{warning, "devshm",
			sharedMemory + " is a plain directory: objects of shm_open and sem_open would lie on a disk", "mount a shmfs or a tmpfs there"}}
	case found.shmfs():
		return []finding{{fine, "devshm", sharedMemory + " is a shmfs: shm_open and sem_open use it", ""}}
	case found.mount.filesystem == "tmpfs":
		return []finding{{fine, "devshm", sharedMemory + " is a tmpfs: shm_open and sem_open use that, not shmfs", ""}}
	}
	return []finding{{warning, "devshm", fmt.Sprintf("%s is a file system of type %s", sharedMemory, found.mount.filesystem),
		"mount a shmfs or a tmpfs there"}}
}

// judgeRoom warns where /dev/shm is nearly full.
func judgeRoom(path string) []finding {
	figures, err := within(func() (unix.Statfs_t, error) {
		var figures unix.Statfs_t
		err := unix.Statfs(path, &figures)
		return figures, err
	})
	if err != nil {
		return []finding{{warning, "devshm", fmt.Sprintf("%s does not answer: %v", path, err), "mount it again"}}
	}
	if figures.Blocks == 0 || (figures.Blocks-figures.Bfree)*100/figures.Blocks < nearlyFull {
		return nil
	}
	return []finding{{warning, "devshm", fmt.Sprintf("%s is %d%% full", path, (figures.Blocks-figures.Bfree)*100/figures.Blocks),
		"remove objects, or remount it with a larger size"}}
}

// glibcVersion returns the machine's, or nothing where it has none. Containers may have others.
func glibcVersion() string {
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	output, err := exec.CommandContext(limit, "getconf", "GNU_LIBC_VERSION").Output()
	if err != nil {
		return ""
	}
	version, _ := strings.CutPrefix(strings.TrimSpace(string(output)), "glibc ")
	return version
}

func judgeGlibc(text string, shmfsThere bool) finding {
	var version [2]int
	if _, err := fmt.Sscanf(text, "%d.%d", &version[0], &version[1]); err != nil {
		return finding{note, "libc", "no glibc is found (musl takes any file system at " + sharedMemory + ")", ""}
	}
	if version[0] > firstOpenGlibc[0] || version[0] == firstOpenGlibc[0] && version[1] >= firstOpenGlibc[1] {
		return finding{fine, "libc", "glibc " + text + " takes a shmfs at " + sharedMemory, ""}
	}
	const remedy = "use glibc 2.34 or later, or let such programs open paths of the mount themselves"
	if shmfsThere {
		return finding{warning, "libc",
			"glibc " + text + " accepts only a tmpfs at " + sharedMemory + ": shm_open and sem_open fail there", remedy}
	}
	return finding{note, "libc", "glibc " + text + " would accept no shmfs at " + sharedMemory, remedy}
}

// examineOrdinaryMounting looks at what users need who are not root.
func (p *patient) examineOrdinaryMounting() []finding {
	program, err := exec.LookPath(unmountHelper)
	if err != nil {
		return []finding{{note, "users", unmountHelper + " is not installed: only root can mount",
			"install it (Debian and Ubuntu: apt install fuse3)"}}
	}
	var found unix.Stat_t
	if resolved, err := filepath.EvalSymlinks(program); err == nil {
		program = resolved
	}
	if err := unix.Stat(program, &found); err == nil && found.Mode&unix.S_ISUID == 0 {
		return []finding{{note, "users", program + " is not setuid root: only root can mount", "chmod u+s " + program}}
	}
	if !allowsOthers(p.read(fuseConfiguration)) {
		return []finding{{note, "users", fuseConfiguration + " has no line user_allow_other: users can mount for themselves only",
			"add that line if others are to be let in"}}
	}
	return []finding{{fine, "users", "ordinary users can mount, and let others in", ""}}
}
