package top

import (
	"errors"
	"fmt"
	"io"
	"path"

	"golang.org/x/sys/unix"
)

// infoDirectory is the mount's own directory, below its root.
const infoDirectory = ".shmfs"

// ErrGone is in the errors that tell that there is no mount to look at any more.
var ErrGone = errors.New("it was unmounted, or its daemon has ended")

// directory is the root of a mount. It is opened for each look anew: a descriptor that is kept would keep the mount busy.
type directory string

// open opens what is below the root, and follows no link on the way: whoever may rename in the mount could lead elsewhere
// what root looks at here. The descriptor is no os.File, so that Go's poller does not poll it.
func (d directory) open(name string, flags int) (int, error) {
	root, err := again(func() (int, error) {
		return unix.Open(string(d), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, err
	}
	defer unix.Close(root)
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV}
	return again(func() (int, error) { return unix.Openat2(root, name, &how) })
}

// read returns what a file of the mount's own directory has. Errors are those of open(2) and read(2).
func (d directory) read(name string) ([]byte, error) {
	descriptor, err := d.open(path.Join(infoDirectory, name), unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(descriptor)
	return io.ReadAll(reader(descriptor))
}

// unlink removes a name, if it still is the name of the inode that was meant.
func (d directory) unlink(name string, inode uint64) error {
	parent, err := d.open(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	var found unix.Stat_t
	if _, err := again(func() (int, error) {
		return 0, unix.Fstatat(parent, path.Base(name), &found, unix.AT_SYMLINK_NOFOLLOW)
	}); err != nil {
		return err
	}
	if found.Ino != inode {
		return errors.New("it is another object by now")
	}
	_, err = again(func() (int, error) { return 0, unix.Unlinkat(parent, path.Base(name), 0) })
	return err
}

// again makes a call until no signal interrupts it. A name that is moved in the moment it is looked up gives EAGAIN, a few times at most.
func again(call func() (int, error)) (int, error) {
	for moved := 0; ; {
		result, err := call()
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN) && moved < 10:
			moved++
		default:
			return result, err
		}
	}
}

// isGone says whether an error is what a mount without a daemon gives.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED) || errors.Is(err, unix.ENODEV)
}

// isMissing says whether an error is that of a path that leads nowhere.
func isMissing(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// reader reads a descriptor from its position on.
type reader int

func (r reader) Read(buffer []byte) (int, error) {
	count, err := again(func() (int, error) { return unix.Read(int(r), buffer) })
	switch {
	case err != nil:
		return 0, err
	case count == 0:
		return 0, io.EOF
	}
	return count, nil
}

// reading tells in an error what was being read.
func (d directory) reading(name string, err error) error {
	return fmt.Errorf("reading %s: %w", path.Join(string(d), infoDirectory, name), err)
}
