package fs

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ioctls of /dev/fuse that tie a backing file to a connection.
const (
	ioctlBackingOpen  = 0x4010e501 // _IOW(229, 1, struct fuse_backing_map)
	ioctlBackingClose = 0x4004e502 // _IOW(229, 2, uint32_t)
)

// backingMap is struct fuse_backing_map.
type backingMap struct {
	descriptor int32
	flags      uint32
	padding    uint64
}

// openBacking registers a regular file's descriptor with the connection and returns its backing id. EPERM without
// CAP_SYS_ADMIN, ELOOP when the file stands on a stacked file system (overlayfs). The descriptor may be closed afterwards.
func openBacking(device, descriptor int) (int32, error) {
	argument := backingMap{descriptor: int32(descriptor)}
	id, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(device), ioctlBackingOpen, uintptr(unsafe.Pointer(&argument)))
	if errno != 0 {
		return 0, fmt.Errorf("registering a backing file: %w", errno)
	}
	return int32(id), nil
}

// closeBacking ends a registration. What is open or mapped by it goes on.
func closeBacking(device int, id int32) error {
	argument := uint32(id)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(device), ioctlBackingClose, uintptr(unsafe.Pointer(&argument)))
	if errno != 0 {
		return fmt.Errorf("unregistering backing file %d: %w", id, errno)
	}
	return nil
}

// passthroughObstacle is why passthrough need not be asked for, whatever the kernel offers; nil if nothing speaks against it.
// INIT is settled before probePassthrough can tell.
func passthroughObstacle(options Options) error {
	if !options.Passthrough {
		return errors.New("switched off by option")
	}
	if !inInitialUserNamespace() || !hasCapability(unix.CAP_SYS_ADMIN) {
		return fmt.Errorf("it needs CAP_SYS_ADMIN, outside of user namespaces: %w", unix.EPERM)
	}
	return nil
}

// hasCapability says whether a capability is effective for this process; false when it cannot be found out.
func hasCapability(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var held [2]unix.CapUserData
	if err := unix.Capget(&header, &held[0]); err != nil {
		return false
	}
	return held[capability/32].Effective&(1<<(capability%32)) != 0
}

// probePassthrough finds out whether this process may register backing files, with a file of its own.
func probePassthrough(device int) error {
	descriptor, err := unix.MemfdCreate("shmfs-probe", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("making a file to probe passthrough with: %w", err)
	}
	defer unix.Close(descriptor)
	id, err := openBacking(device, descriptor)
	if err != nil {
		return err
	}
	return closeBacking(device, id)
}
