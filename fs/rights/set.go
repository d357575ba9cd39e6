package rights

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Set is a set of capabilities, a bit each.
type Set uint64

// Of returns the set of capabilities, unix.CAP_*.
func Of(capabilities ...int) Set {
	var set Set
	for _, one := range capabilities {
		set |= 1 << one
	}
	return set
}

// Serving is what a process needs that serves a mount of root's.
var Serving = needed | containers

// needed says what each is for.
var needed = Of(
	unix.CAP_SYS_ADMIN,       // register backing files, set trusted.* and security.* attributes, change the store's limits, unmount
	unix.CAP_DAC_READ_SEARCH, // open by file handle
	unix.CAP_DAC_OVERRIDE,    // work on every object of the store: what clients may do the kernel has checked
	unix.CAP_FOWNER,          // change modes and times, and read without moving the access time, for owners
	unix.CAP_CHOWN,           // give objects away
	unix.CAP_FSETID,          // keep setgid
	unix.CAP_SETFCAP,         // set file capabilities
	unix.CAP_MKNOD,           // make device nodes, which nobody can open through the mount
	unix.CAP_LEASE,           // find out whether a semaphore is in use
	unix.CAP_SETUID,          // create files as the caller, and look with the asker's rights
	unix.CAP_SETGID,
	unix.CAP_SYS_PTRACE, // see who maps what
	unix.CAP_SETPCAP,    // start processes with less
)

// containers are the others that root has in a container as it is usually set up. Such a root sees its own processes because it has all that
// they have, and is shown them by a thread of ours that can have no more than we have.
var containers = Of(unix.CAP_KILL, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_SYS_CHROOT, unix.CAP_AUDIT_WRITE)

// SemaphoreHelper is what the process needs that operates semaphores through the mount: to open files by handle, whatever their mode.
var SemaphoreHelper = Of(unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE)

// has says whether a capability is in the set.
func (s Set) has(capability int) bool { return s&(1<<capability) != 0 }

// limitThread takes every other capability from the calling thread and from what it executes, which gets no new privileges either. EPERM
// without CAP_SETPCAP if there are capabilities to take from what it executes.
func (s Set) limitThread() error {
	if err := s.limitBounding(); err != nil {
		return err
	}
	// Kernels before 4.3 have no ambient set, which gives EINVAL.
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("clearing the ambient capabilities: %w", err)
	}
	held, err := heldByThread()
	if err != nil {
		return err
	}
	for i := range held {
		mask := uint32(s >> (32 * i))
		held[i] = unix.CapUserData{Permitted: held[i].Permitted & mask, Effective: held[i].Effective & mask}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&header, &held[0]); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	return forbidNewPrivileges()
}

func (s Set) limitBounding() error {
	bounding := bounding()
	for capability := range mostCapabilities {
		if !bounding.has(capability) || s.has(capability) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0); err != nil {
			return fmt.Errorf("giving up capability %d for what is executed: %w", capability, err)
		}
	}
	return nil
}

const mostCapabilities = 64

// bounding returns the capabilities that root could have after it has executed a program.
func bounding() Set {
	var all Set
	for capability := range mostCapabilities {
		held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(capability), 0, 0, 0)
		if err == nil && held == 1 { // EINVAL: the kernel does not know it
			all |= 1 << capability
		}
	}
	return all
}

func heldByThread() (held [2]unix.CapUserData, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &held[0]); err != nil {
		return held, fmt.Errorf("reading the capabilities: %w", err)
	}
	return held, nil
}

// Excess returns the capabilities that the calling thread, or what it executes, has beyond those kept. An ordinary user's has none that count.
func Excess(kept Set) (Set, error) {
	if !isRoot() {
		return 0, nil
	}
	held, err := heldByThread()
	if err != nil {
		return 0, err
	}
	permitted := Set(held[0].Permitted) | Set(held[1].Permitted)<<32
	return (permitted | bounding()) &^ kept, nil
}

func forbidNewPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("doing without new privileges: %w", err)
	}
	return nil
}

// isRoot says whether this process has anything to give up.
func isRoot() bool { return os.Geteuid() == 0 }
