package caller

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// credentials are those of one thread. The system calls are made directly: libc's, and what stands in for it, change all threads.
type credentials struct {
	uid, gid   uint32   // for file system access
	groups     []uint32 // sorted
	capability [2]unix.CapUserData
}

func (c *credentials) equal(other *credentials) bool {
	return c.uid == other.uid && c.gid == other.gid && slices.Equal(c.groups, other.groups) && c.capability == other.capability
}

func (c *credentials) has(capabilities uint64) bool {
	effective := uint64(c.capability[0].Effective) | uint64(c.capability[1].Effective)<<32
	return effective&capabilities == capabilities
}

// of returns these credentials with the identity in their place. Permitted capabilities stay, without which there would be no way back; it is the
// effective ones that count.
func (c *credentials) of(identity *Identity) credentials {
	target := credentials{uid: identity.UID, gid: identity.GID, groups: slices.Clone(identity.Groups), capability: c.capability}
	slices.Sort(target.groups)
	for i := range target.capability {
		target.capability[i].Effective = c.capability[i].Permitted & uint32(identity.Capabilities>>(32*i))
	}
	return target
}

// plan returns what the thread's credentials are to become, and whether they have to be changed at all. A process that cannot change them does as itself
// what the asker could do anyway: an asker who is its own user, or who may see everything. Otherwise EPERM.
func (c *credentials) plan(identity *Identity) (target credentials, change bool, err error) {
	target = c.of(identity)
	const needed = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	switch {
	case target.equal(c):
		return *c, false, nil
	case c.has(needed):
		return target, true, nil
	case identity.UID == c.uid || identity.has(unix.CAP_SYS_PTRACE):
		return *c, false, nil
	}
	return *c, false, fmt.Errorf("taking on the identity of uid %d without the right to: %w", identity.UID, unix.EPERM)
}

// current returns the calling thread's credentials.
func current() (credentials, error) {
	const query = ^uintptr(0) // no id: nothing changes
	uid, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, query, 0, 0)
	gid, _, _ := unix.RawSyscall(unix.SYS_SETFSGID, query, 0, 0)
	c := credentials{uid: uint32(uid), gid: uint32(gid)}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &c.capability[0]); err != nil {
		return c, fmt.Errorf("reading a thread's capabilities: %w", err)
	}
	var err error
	c.groups, err = currentGroups()
	return c, err
}

func currentGroups() ([]uint32, error) {
	count, _, errno := unix.RawSyscall(unix.SYS_GETGROUPS, 0, 0, 0)
	if errno == 0 && count > 0 {
		groups := make([]uint32, count)
		count, _, errno = unix.RawSyscall(unix.SYS_GETGROUPS, count, uintptr(unsafe.Pointer(&groups[0])), 0)
		if errno == 0 {
			groups = groups[:count]
			slices.Sort(groups)
			return groups, nil
		}
	}
	if errno != 0 {
		return nil, fmt.Errorf("reading a thread's groups: %w", errno)
	}
	return nil, nil
}

// apply gives the calling thread these credentials, and makes sure that it has them.
func apply(target credentials) error {
	raised := target.capability
	for i := range raised {
		raised[i].Effective = raised[i].Permitted
	}
	if err := setCapabilities(raised); err != nil {
		return err
	}
	if err := setGroups(target.groups); err != nil {
		return err
	}
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSGID, uintptr(target.gid), 0, 0)
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, uintptr(target.uid), 0, 0) // it takes capabilities away, or gives them
	if err := setCapabilities(target.capability); err != nil {
		return err
	}
	reached, err := current()
	if err != nil {
		return err
	}
	if !reached.equal(&target) {
		return errors.New("the kernel did not give a thread the identity that was asked for")
	}
	return nil
}

func setCapabilities(capability [2]unix.CapUserData) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&header, &capability[0]); err != nil {
		return fmt.Errorf("setting a thread's capabilities: %w", err)
	}
	return nil
}

func setGroups(groups []uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(groups))), 0)
	if errno != 0 {
		return fmt.Errorf("setting %d groups of a thread: %w", len(groups), errno)
	}
	return nil
}
