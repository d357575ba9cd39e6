package fs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fileSystemType is what /proc/mounts shows.
const fileSystemType = "fuse.shmfs"

// connect mounts and shakes hands, by itself with the right to, else through fusermount3.
func (f *Filesystem) connect(mountpoint string, options Options) error {
	err := f.mountDirectly(mountpoint, options)
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) || os.Geteuid() == 0 {
		return err
	}
	if options.RequirePassthrough {
		return fmt.Errorf("%w: it needs CAP_SYS_ADMIN", ErrPassthroughUnavailable)
	}
	return f.mountByFusermount(mountpoint, options)
}

func (f *Filesystem) mountDirectly(mountpoint string, options Options) error {
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening /dev/fuse: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d,default_permissions", device, os.Geteuid(), os.Getegid())
	if options.AllowOther {
		data += ",allow_other"
	}
	if err := unix.Mount(options.FSName, mountpoint, fileSystemType, mountFlags(options), data); err != nil {
		_ = unix.Close(device)
		return fmt.Errorf("mounting on %s: %w", mountpoint, err)
	}
	if err := f.start(device, mountpoint, options, true); err != nil {
		_ = unix.Close(device) // aborts the connection, so that the unmount cannot wait for an answer
		return errors.Join(err, unix.Unmount(mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
	}
	return nil
}

func mountFlags(options Options) uintptr {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if options.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if options.NoExec {
		flags |= unix.MS_NOEXEC
	}
	return flags
}

// start answers INIT and decides the mode. privileged says that the mount was made without fusermount3.
func (f *Filesystem) start(device int, mountpoint string, options Options, privileged bool) error {
	obstacle := passthroughObstacle(options)
	agreed, err := handshake(device, terms{privileged: privileged, passthrough: obstacle == nil})
	if err != nil {
		return err
	}
	if obstacle == nil && !agreed.passthrough {
		obstacle = errors.New("the kernel does not offer it (it needs Linux 6.9 and CONFIG_FUSE_PASSTHROUGH)")
	}
	if obstacle == nil {
		obstacle = probePassthrough(device)
	}
	agreed.passthrough = obstacle == nil
	if agreed.passthrough {
		f.logMode(agreed, "passthrough", "")
		return f.attach(device, agreed)
	}
	if options.RequirePassthrough {
		return fmt.Errorf("%w: %w", ErrPassthroughUnavailable, obstacle)
	}
	f.logMode(agreed, "cached", obstacle.Error())
	if agreed.grants(initDirectIOAllowMmap) {
		number, err := mountedDevice(mountpoint)
		if err != nil {
			return err
		}
		byHandle := agreed.grants(initExportSupport) && inInitialUserNamespace() && hasCapability(unix.CAP_DAC_READ_SEARCH)
		f.helper = newHelper(mountpoint, number, byHandle, f.log)
	}
	return f.attach(device, agreed)
}

// logMode says how clients will share memory and, unless it is the best way, why.
func (f *Filesystem) logMode(agreed agreement, name, reason string) {
	f.mode = mode{name, reason}
	details := []any{"mode", name, "protocol", fmt.Sprintf("%d.%d", protocolMajor, agreed.minor)}
	if reason != "" {
		details = append(details, "reason", reason)
	}
	f.log.Info("mode", details...)
}

// mode is how clients share memory, and unless it is the best way why.
type mode struct{ name, reason string }
