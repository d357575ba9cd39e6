package fs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Keeper holds descriptors beyond the life of this process. Its methods may be called concurrently; what was asked before this process dies
// is done.
type Keeper interface {
	// Keep has a descriptor of a node's inode held. The caller's own stays the caller's.
	Keep(node uint64, descriptor int) error
	// LetGo has what Keep holds closed. A node of which nothing is held is no error.
	LetGo(node uint64) error
}

// NoKeeper keeps nothing: what has no name is gone with this process.
type NoKeeper struct{}

// Keep does nothing.
func (NoKeeper) Keep(uint64, int) error { return nil }

// LetGo does nothing.
func (NoKeeper) LetGo(uint64) error { return nil }

// keeping is how inodes without a name outlive the process: the kernel keeps those that it takes as backing files, as long as there is
// the mount, and another process the rest.
type keeping struct {
	device  int    // 0: the kernel takes none
	process Keeper // immutable
}

// Keep implements objects.Keeper. The token is a backing id; 0 for what the other process holds.
func (k *keeping) Keep(node uint64, descriptor int) (token uint32, err error) {
	if k.device > 0 {
		if id, err := k.register(descriptor); err == nil {
			return uint32(id), nil
		}
	}
	return 0, k.process.Keep(node, descriptor)
}

// register has the kernel keep a regular file.
func (k *keeping) register(descriptor int) (int32, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(descriptor, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, fmt.Errorf("registering what is no regular file: %w", unix.EOPNOTSUPP)
	}
	opened, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", descriptor), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(opened)
	return openBacking(k.device, opened)
}

// LetGo implements objects.Keeper.
func (k *keeping) LetGo(node uint64, token uint32) error {
	if token == 0 {
		return k.process.LetGo(node)
	}
	return closeBacking(k.device, int32(token))
}
