package objects

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Caller is on whose behalf something is created: the owner it gets, and the umask its mode is subject to unless the
// directory's default access control list takes the umask's place.
type Caller struct {
	UID, GID uint32
	Umask    uint32
}

// mode applies the umask to the mode of what is to be created in a directory.
func (c Caller) mode(directory int, mode uint32) uint32 {
	if mode&c.Umask == 0 {
		return mode
	}
	if size, err := unix.Getxattr(descriptorPath(directory), "system.posix_acl_default", nil); err == nil && size > 0 {
		return mode
	}
	return mode &^ c.Umask
}

// callerSwitch lets one thread at a time create files that belong to the caller from the first instant on, with the store's
// own rules for setgid directories, and yet reach every directory: the kernel has already checked the caller's rights on the
// mount, supplementary groups included, which the store could not see.
type callerSwitch struct {
	able       bool // has the right to switch; immutable
	capability [2]unix.CapUserData
	uid, gid   uint32 // the daemon's own
}

func newCallerSwitch() callerSwitch {
	s := callerSwitch{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if unix.Capget(&header, &s.capability[0]) != nil {
		return s
	}
	const needed = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_DAC_OVERRIDE
	s.able = s.capability[0].Effective&needed == needed
	return s
}

// as runs f with the file system identity of the caller. An unprivileged daemon creates everything as itself, the only user
// its mount serves.
func (s *callerSwitch) as(caller Caller, f func() error) error {
	if !s.able || caller.UID == s.uid && caller.GID == s.gid {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer s.restore()
	if err := s.become(caller); err != nil {
		return err
	}
	return f()
}

// owner is whose becomes what is made for a caller.
func (s *callerSwitch) owner(caller Caller) uint32 {
	if s.able {
		return caller.UID
	}
	return s.uid
}

// become changes this thread's identity for file system access. Leaving root's takes away the capabilities that override
// permission, so they are raised again.
func (s *callerSwitch) become(caller Caller) error {
	const query = -1
	_, _ = unix.SetfsgidRetGid(int(caller.GID))
	_, _ = unix.SetfsuidRetUid(int(caller.UID))
	gid, _ := unix.SetfsgidRetGid(query)
	uid, _ := unix.SetfsuidRetUid(query)
	if uint32(uid) != caller.UID || uint32(gid) != caller.GID {
		return fmt.Errorf("taking on the identity of uid %d, gid %d: %w", caller.UID, caller.GID, unix.EPERM)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	capability := s.capability
	if err := unix.Capset(&header, &capability[0]); err != nil {
		return fmt.Errorf("keeping capabilities: %w", err)
	}
	return nil
}

func (s *callerSwitch) restore() {
	_, _ = unix.SetfsuidRetUid(int(s.uid))
	_, _ = unix.SetfsgidRetGid(int(s.gid))
}
