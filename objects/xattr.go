package objects

import (
	"fmt"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// Getxattr returns an extended attribute's value; ENODATA when there is none.
func (t *Tree) Getxattr(id uint64, name string) ([]byte, error) {
	var value []byte
	err := t.withPath(id, func(path string) (err error) {
		value, err = grow(func(into []byte) (int, error) { return unix.Getxattr(path, name, into) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading attribute %q: %w", name, err)
	}
	return value, nil
}

// Listxattr returns the names of all extended attributes, each ended by a zero byte.
func (t *Tree) Listxattr(id uint64) ([]byte, error) {
	var names []byte
	err := t.withPath(id, func(path string) (err error) {
		names, err = grow(func(into []byte) (int, error) { return unix.Listxattr(path, into) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing attributes: %w", err)
	}
	return names, nil
}

// Setxattr sets an extended attribute; flags are XATTR_CREATE (EEXIST) and XATTR_REPLACE (ENODATA).
func (t *Tree) Setxattr(id uint64, name string, value []byte, flags int) error {
	err := t.withPath(id, func(path string) error { return unix.Setxattr(path, name, value, flags) })
	if err != nil {
		return fmt.Errorf("setting attribute %q: %w", name, err)
	}
	crashpoint.Here("objects: an extended attribute is set")
	return nil
}

// Removexattr removes an extended attribute; ENODATA when there is none.
func (t *Tree) Removexattr(id uint64, name string) error {
	err := t.withPath(id, func(path string) error { return unix.Removexattr(path, name) })
	if err != nil {
		return fmt.Errorf("removing attribute %q: %w", name, err)
	}
	crashpoint.Here("objects: an extended attribute is removed")
	return nil
}

// withPath runs f with a path of the node's inode; the descriptor behind it may be on anything, a symbolic link included.
func (t *Tree) withPath(id uint64, f func(path string) error) error {
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(descriptor)
	return f(descriptorPath(descriptor))
}

// grow calls with a buffer that is large enough, however often the answer grows meanwhile.
func grow(call func(into []byte) (int, error)) ([]byte, error) {
	for {
		size, err := call(nil)
		if err != nil || size == 0 {
			return nil, err
		}
		into := make([]byte, size)
		n, err := call(into)
		if err == unix.ERANGE {
			continue
		}
		if err != nil {
			return nil, err
		}
		return into[:n], nil
	}
}
