package main

import (
	"errors"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"shmfs/fs/table"
)

// infoDirectory is the mount's own directory, which tells what is in it.
const infoDirectory = ".shmfs"

// readInfo returns the text of a file of the mount's own directory.
func readInfo(mount, file string) ([]byte, error) {
	text, err := readWhole(mount + "/" + infoDirectory + "/" + file)
	if err != nil {
		return nil, infoRefusal(mount, file, err)
	}
	return text, nil
}

// readInfoTable returns a table of the mount's own directory.
func readInfoTable(mount, file string) (*table.Parsed, error) {
	text, err := readInfo(mount, file)
	if err != nil {
		return nil, err
	}
	parsed, err := table.Parse(text)
	if err != nil {
		return nil, failure(exitFailure, "%s/%s of the shmfs on %s: %w: is this program of the daemon's version? compare "+
			"shmfs version with it", infoDirectory, file, mount, err)
	}
	return parsed, nil
}

// readWhole reads a file to its end, whatever size it says it has.
func readWhole(path string) ([]byte, error) {
	descriptor, err := openUninterrupted(path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(descriptor)
	text, chunk := []byte{}, make([]byte, 64<<10)
	for {
		count, err := descriptorReader(descriptor).Read(chunk)
		text = append(text, chunk[:count]...)
		switch {
		case errors.Is(err, io.EOF):
			return text, nil
		case err != nil:
			return nil, err
		}
	}
}

// openUninterrupted is open(2) of a descriptor that children do not inherit. It is no os.File: Go's poller would ask the daemon
// about it.
func openUninterrupted(path string, flags int, mode uint32) (int, error) {
	for {
		descriptor, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
		if !errors.Is(err, unix.EINTR) {
			return descriptor, err
		}
	}
}

// infoRefusal says why a file of the mount's own directory cannot be read.
func infoRefusal(mount, file string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EISDIR):
		return failure(exitFailure, "the shmfs on %s has no %s/%s: "+
			"have it mounted by a daemon of this version (unmount it and mount it again)", mount, infoDirectory, file)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return failure(exitPermission, "reading %s/%s of the shmfs on %s: %w: use sudo, or have its owner allow it",
			infoDirectory, file, mount, err)
	case isMountGone(err):
		return mountGone(mount)
	}
	return failure(exitFailure, "reading %s/%s of the shmfs on %s: %w", infoDirectory, file, mount, err)
}

// isMountGone reports whether an error means that nobody serves the mount any more.
func isMountGone(err error) bool {
	return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED) || errors.Is(err, unix.ENODEV)
}

func mountGone(mount string) error {
	return failure(exitNotMounted, "the daemon of the shmfs on %s has died: mount it again", mount)
}

// keyValue is a line of a text of keys and values.
type keyValue struct{ key, value string }

// parseKeyValues reads lines of the form "key: value", in their order. Lines of another form are passed over.
func parseKeyValues(text []byte) []keyValue {
	var pairs []keyValue
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if found && key != "" {
			pairs = append(pairs, keyValue{key, value})
		}
	}
	return pairs
}

// valueOf returns what stands under a key, or nothing.
func valueOf(pairs []keyValue, key string) string {
	for _, pair := range pairs {
		if pair.key == key {
			return pair.value
		}
	}
	return ""
}
