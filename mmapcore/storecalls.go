package mmapcore

import "golang.org/x/sys/unix"

// storeCalls are the system calls a Store makes, one field each so that a test can make any of them fail. Only tests write
// it, and only before they start what uses it.
var storeCalls = struct {
	fsopen         func(name string, flags int) (int, error)
	fsconfigString func(fd int, key, value string) error
	fsconfigFlag   func(fd int, key string) error
	fsconfigCreate func(fd int) error
	reconfigure    func(fd int) error
	fsmount        func(fd, flags, attributes int) (int, error)
	fspick         func(dir int, path string, flags int) (int, error)
	openat         func(dir int, path string, flags int, mode uint32) (int, error)
	openByHandle   func(mount int, handle unix.FileHandle, flags int) (int, error)
	nameToHandle   func(dir int, path string, flags int) (unix.FileHandle, int, error)
	fstatfs        func(fd int, into *unix.Statfs_t) error
	flock          func(fd, how int) error
	close          func(fd int) error
}{
	fsopen:         unix.Fsopen,
	fsconfigString: unix.FsconfigSetString,
	fsconfigFlag:   unix.FsconfigSetFlag,
	fsconfigCreate: unix.FsconfigCreate,
	reconfigure:    unix.FsconfigReconfigure,
	fsmount:        unix.Fsmount,
	fspick:         unix.Fspick,
	openat:         unix.Openat,
	openByHandle:   unix.OpenByHandleAt,
	nameToHandle:   unix.NameToHandleAt,
	fstatfs:        unix.Fstatfs,
	flock:          unix.Flock,
	close:          unix.Close,
}
