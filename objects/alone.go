package objects

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Alone says whether this object is all that its file is open by in the whole machine: no other object, no client in passthrough mode,
// and no mapping, which keeps open what it was made of. The object must be open for reading only.
//
// The kernel grants a lease for writing (fcntl(2), F_SETLEASE) to nobody else. For the microseconds that it lasts, whoever opens the
// file waits. Errors: EACCES without CAP_LEASE for another user's file, EINVAL where leases are switched off or the store's file system
// has none.
func (o *Object) Alone() (bool, error) {
	descriptor := uintptr(o.region.Descriptor())
	_, err := unix.FcntlInt(descriptor, unix.F_SETLEASE, unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for a lease: %w", err)
	}
	if _, err := unix.FcntlInt(descriptor, unix.F_SETLEASE, unix.F_UNLCK); err != nil {
		return false, fmt.Errorf("giving a lease back: %w", err)
	}
	return true, nil
}
