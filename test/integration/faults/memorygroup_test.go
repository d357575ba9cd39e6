package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// memoryGroup is a control group of the memory controller, of either version.
type memoryGroup struct {
	directory string
	limit     string // the file that has it
}

// newMemoryGroup makes one. Where the controller is not mounted, it is, for this mount namespace alone.
func newMemoryGroup(t testing.TB) (*memoryGroup, error) {
	root, limit, err := memoryController(t)
	if err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp(root, "shmfs-faults-")
	if err != nil {
		return nil, fmt.Errorf("making a control group: %w", err)
	}
	group := &memoryGroup{directory, limit}
	t.Cleanup(func() {
		if err := group.remove(); err != nil {
			t.Error(err)
		}
	})
	return group, nil
}

const (
	limitOfVersion1 = "memory.limit_in_bytes"
	limitOfVersion2 = "memory.max"
)

// memoryController returns where the controller is mounted, and the name of the file with a group's limit.
func memoryController(t testing.TB) (root, limit string, err error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(table)) {
		mount, filesystem, _ := strings.Cut(strings.TrimSpace(line), " - ")
		at, what := strings.Fields(mount), strings.Fields(filesystem)
		if len(at) < 5 || len(what) < 3 {
			continue
		}
		if what[0] == "cgroup" && slices.Contains(strings.Split(what[2], ","), "memory") {
			return at[4], limitOfVersion1, nil
		}
		if what[0] == "cgroup2" && delegates(at[4]) == nil {
			return at[4], limitOfVersion2, nil
		}
	}
	return mountController(t)
}

// mountController mounts the controller until the test ends.
func mountController(t testing.TB) (root, limit string, err error) {
	root = t.TempDir()
	first := unix.Mount("cgroup", root, "cgroup", 0, "memory")
	if first == nil {
		t.Cleanup(func() { must(t, unix.Unmount(root, 0)) })
		return root, limitOfVersion1, nil
	}
	second := unix.Mount("cgroup2", root, "cgroup2", 0, "")
	if second == nil {
		t.Cleanup(func() { must(t, unix.Unmount(root, 0)) })
		second = delegates(root)
	}
	if second != nil {
		return "", "", fmt.Errorf("control groups of memory cannot be had: version 1: %w, version 2: %w", first, second)
	}
	return root, limitOfVersion2, nil
}

// delegates has the groups below a root of version 2 be of the memory controller.
func delegates(root string) error {
	return os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0)
}

// starve puts a process into the group, whose memory it is in only as far as it takes more. The first things that it then takes kill it.
func (g *memoryGroup) starve(process int) error {
	const most = 128 << 10 // bytes; a little more, and it may live for long
	if err := g.write(g.limit, most); err != nil {
		return err
	}
	return g.write("cgroup.procs", process)
}

func (g *memoryGroup) write(file string, number int) error {
	if err := os.WriteFile(filepath.Join(g.directory, file), []byte(strconv.Itoa(number)), 0); err != nil {
		return fmt.Errorf("writing %d to a control group's %s: %w", number, file, err)
	}
	return nil
}

// remove removes the group, if it was not yet; a process that was killed in it may take a moment to leave it.
func (g *memoryGroup) remove() error {
	for deadline := now() + patience; ; pause(pauseOfGroup) {
		err := unix.Rmdir(g.directory)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || now() > deadline {
			return fmt.Errorf("removing a control group: %w", err)
		}
	}
}

const pauseOfGroup = 5e6 // nanoseconds
