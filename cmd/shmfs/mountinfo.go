package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// filesystemType is what the mount table calls a shmfs.
const filesystemType = "fuse.shmfs"

// mount is one line of the mount table, as proc_pid_mountinfo(5) describes it.
type mount struct {
	id         int
	device     string // major:minor
	point      string
	options    []string // of this mount
	filesystem string
	super      []string // of the file system
	root       string   // directory of the file system that is mounted here; "/" but for bind mounts of a part
}

// mountTable returns the mounts of this process's namespace in the kernel's order: a later one covers an earlier one.
func mountTable() ([]mount, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the mount table: %w", err)
	}
	var mounts []mount
	for line := range strings.Lines(string(text)) {
		if entry, ok := parseMount(line); ok {
			mounts = append(mounts, entry)
		}
	}
	return mounts, nil
}

// parseMount reads one line. Between the mount's options and the lone dash stands any number of optional fields.
func parseMount(line string) (mount, bool) {
	before, after, found := strings.Cut(line, " - ")
	own, rest := strings.Fields(before), strings.Fields(after)
	if !found || len(own) < 6 || len(rest) < 3 {
		return mount{}, false
	}
	id, err := strconv.Atoi(own[0])
	if err != nil {
		return mount{}, false
	}
	return mount{
		id:         id,
		device:     own[2],
		point:      unescape(own[4]),
		options:    strings.Split(own[5], ","),
		filesystem: rest[0],
		super:      strings.Split(rest[len(rest)-1], ","),
		root:       unescape(own[3]),
	}, true
}

// unescape turns the table's \ooo back into the byte that it stands for.
func unescape(field string) string {
	var text strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) {
			if code, err := strconv.ParseUint(field[i+1:i+4], 8, 8); err == nil {
				text.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		text.WriteByte(field[i])
	}
	return text.String()
}

// user returns the user who made a FUSE mount.
func (m mount) user() int {
	for _, option := range m.super {
		if text, found := strings.CutPrefix(option, "user_id="); found {
			if id, err := strconv.Atoi(text); err == nil {
				return id
			}
		}
	}
	return 0
}
