package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// findLeft verifies that the inner process left nothing: no process in its mount namespace, no mount outside it, no file
// in the work directory (which it removes). Processes it does find it ends.
func findLeft(namespace, mountsBefore, directory string) error {
	var problems []error
	for _, pid := range namespaceMembers(namespace) {
		problems = append(problems, fmt.Errorf("process %d (%s) was left running", pid, commandOf(pid)))
		problems = append(problems, endMember(pid, namespace))
	}
	after, err := concerningMounts(directory)
	if err == nil && after != mountsBefore {
		err = fmt.Errorf("the machine's mounts have changed; before:\n%s\nafter:\n%s", mountsBefore, after)
	}
	problems = append(problems, err)
	if err := os.Remove(directory); err != nil {
		problems = append(problems, fmt.Errorf("the work directory is not as it was: %w", err))
	}
	return errors.Join(problems...)
}

// namespaceMembers returns the processes, other than this one, whose mount namespace has that name.
func namespaceMembers(namespace string) []int {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/mnt") // errs on a bad pattern only
	var pids []int
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || target != namespace { // a process that has just ended has no namespace any more
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// endMember kills the process if it still is a member of the namespace. os.FindProcess pins the process, so that the
// signal cannot hit another one that was given the same number.
func endMember(pid int, namespace string) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("finding process %d: %w", pid, err)
	}
	defer process.Release()
	if target, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid)); err != nil || target != namespace {
		return nil
	}
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending process %d: %w", pid, err)
	}
	return nil
}

func commandOf(pid int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
}

// concerningMounts returns the lines of this process's mount table that the demonstration could have to do with: what is
// mounted on the store's directory, and on or below the work directory.
func concerningMounts(directory string) (string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("reading the mount table: %w", err)
	}
	var lines []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if mountpoint := fields[4]; mountpoint == storeDirectory || strings.HasPrefix(mountpoint+"/", directory+"/") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, ""), nil
}
