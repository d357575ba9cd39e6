package programs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// TestStoreSurvivesUnmount fills a mount whose store is on a disk, unmounts shmfs and the disk, and finds every object,
// name, attribute and link again in a new mount, which may be of another mode.
func TestStoreSurvivesUnmount(t *testing.T) {
	for i, first := range diskModes {
		second := diskModes[(i+1)%len(diskModes)]
		t.Run(first.name+" then "+second.name, func(t *testing.T) {
			image := newImage(t, diskSize)
			var before, after []string
			t.Run("first mount", func(t *testing.T) {
				directory := rig.Shmfs(t, first.with("store="+mountDisk(t, image).store(t)).options)
				populate(t, directory)
				before = inventory(t, directory)
			})
			t.Run("second mount", func(t *testing.T) {
				directory := rig.Shmfs(t, second.with("store="+mountDisk(t, image).store(t)).options)
				after = inventory(t, directory)
				requireUsable(t, directory)
			})
			if !slices.Equal(before, after) {
				t.Errorf("before:\n%s\nafter:\n%s", lines(before), lines(after))
			}
		})
	}
}

// populate makes one of everything that a store has to keep.
func populate(t *testing.T, directory string) {
	t.Helper()
	in := func(name string) string { return filepath.Join(directory, name) }
	for _, failed := range []error{
		os.WriteFile(in("object"), durableContent(1), 0o640),
		os.WriteFile(in("empty"), nil, 0o600),
		os.Truncate(in("empty"), 12345),
		os.WriteFile(in("sem.value"), []byte("3\n"), 0o600),
		os.Mkdir(in("directory"), 0o2750),
		os.Chmod(in("directory"), 0o750|os.ModeSetgid|os.ModeSticky),
		os.WriteFile(in("directory/\xff \n name"), []byte("odd"), 0o604),
		os.Link(in("object"), in("directory/link")),
		os.Symlink("directory/link", in("symlink")),
		unix.Mkfifo(in("fifo"), 0o600),
		os.Chown(in("object"), 1234, 5678),
		unix.Setxattr(in("object"), "user.name", []byte("value"), 0),
		unix.UtimesNanoAt(unix.AT_FDCWD, in("object"), []unix.Timespec{{Sec: 1e9, Nsec: 7}, {Sec: 1e9 + 1, Nsec: 999_999_999}}, 0),
	} {
		if failed != nil {
			t.Fatal(failed)
		}
	}
}

// inventory describes everything in a directory, a line a name.
func inventory(t *testing.T, directory string) []string {
	t.Helper()
	var described []string
	pending := entries(t, directory)
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		path := filepath.Join(directory, name)
		var status unix.Stat_t
		if err := unix.Lstat(path, &status); err != nil {
			t.Fatal(err)
		}
		described = append(described, fmt.Sprintf("%q inode %d mode %o links %d owner %d:%d size %d mtime %d.%09d %s", name, status.Ino,
			status.Mode, status.Nlink, status.Uid, status.Gid, status.Size, status.Mtim.Sec, status.Mtim.Nsec, content(t, path, status)))
		if status.Mode&unix.S_IFMT == unix.S_IFDIR {
			for _, entry := range entries(t, path) {
				pending = append(pending, filepath.Join(name, entry))
			}
		}
	}
	return described
}

// content describes what an inode holds besides its attributes.
func content(t *testing.T, path string, status unix.Stat_t) string {
	t.Helper()
	switch status.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		return fmt.Sprintf("to %q, %v", target, err)
	case unix.S_IFREG:
		data, err := readUnpolled(path)
		if bytes.Equal(data, durableContent(1)) {
			data = []byte("the pattern")
		}
		value := make([]byte, 16)
		n, xattrErr := unix.Getxattr(path, "user.name", value)
		if errors.Is(xattrErr, unix.ENODATA) {
			xattrErr = nil
		}
		return fmt.Sprintf("holds %q, %v, user.name %q, %v", bytes.TrimRight(data, "\x00"), err, value[:max(n, 0)], xattrErr)
	}
	return ""
}

// readUnpolled reads a file to its end. Not os.ReadFile: Go's runtime would poll the file, and the wait in a semaphore that a
// poller stands for is a store to it, which moves its times.
func readUnpolled(path string) ([]byte, error) {
	descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(descriptor)
	var data []byte
	for buffer := make([]byte, 64<<10); ; {
		n, err := unix.Read(descriptor, buffer)
		if n <= 0 {
			return data, err
		}
		data = append(data, buffer[:n]...)
	}
}

// requireUsable changes what was found: the objects are not only shown.
func requireUsable(t *testing.T, directory string) {
	t.Helper()
	link := filepath.Join(directory, "directory", "link")
	if err := os.WriteFile(link, []byte("changed"), 0); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(directory, "object")); err != nil || string(data) != "changed" {
		t.Errorf("written through a link found in the store, the object reads %q, %v", data, err)
	}
	if err := os.Remove(link); err != nil {
		t.Error(err)
	}
}

func lines(all []string) string {
	text := ""
	for _, line := range all {
		text += line + "\n"
	}
	return text
}
