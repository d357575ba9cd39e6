package fs

import (
	"errors"
	"fmt"
	"os"

	"bazil.org/fuse"
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
	return f.mountByHelper(mountpoint, options)
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
	if err := f.start(device, options); err != nil {
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

// start answers INIT and decides the mode.
func (f *Filesystem) start(device int, options Options) error {
	agreed, err := handshake(device, options.Passthrough)
	if err != nil {
		return err
	}
	reason := "switched off by option"
	if options.Passthrough {
		reason = "the kernel does not offer it (it needs Linux 6.9 and CONFIG_FUSE_PASSTHROUGH)"
	}
	if agreed.passthrough {
		if err := probePassthrough(device); err != nil {
			agreed.passthrough = false
			reason = err.Error()
		}
	}
	if !agreed.passthrough {
		if options.RequirePassthrough {
			return fmt.Errorf("%w: %s", ErrPassthroughUnavailable, reason)
		}
		f.logMode(agreed, "cached", reason)
	} else {
		f.logMode(agreed, "passthrough", "")
	}
	return f.attach(device, agreed)
}

// logMode says how clients will share memory and, unless it is the best way, why.
func (f *Filesystem) logMode(agreed agreement, mode, reason string) {
	details := []any{"mode", mode, "protocol", fmt.Sprintf("%d.%d", protocolMajor, agreed.minor)}
	if reason != "" {
		details = append(details, "reason", reason)
	}
	f.log.Info("mode", details...)
}

// mountByHelper lets fusermount3, which is setuid root, mount for an ordinary user. bazil.org/fuse answers INIT.
func (f *Filesystem) mountByHelper(mountpoint string, options Options) error {
	if options.NoExec {
		return fmt.Errorf("noexec needs root: %w", unix.EPERM)
	}
	choices := []fuse.MountOption{
		fuse.FSName(options.FSName), fuse.Subtype("shmfs"), fuse.DefaultPermissions(),
		fuse.AsyncRead(), fuse.MaxReadahead(readAhead),
	}
	if options.AllowOther {
		choices = append(choices, fuse.AllowOther())
	}
	if options.ReadOnly {
		choices = append(choices, fuse.ReadOnly())
	}
	conn, err := fuse.Mount(mountpoint, choices...)
	if err != nil {
		return fmt.Errorf("mounting on %s through fusermount3: %w", mountpoint, err)
	}
	device, err := deviceOf(conn)
	if err != nil {
		return errors.Join(err, conn.Close(), fuse.Unmount(mountpoint))
	}
	f.conn, f.descriptor = conn, int(device.Fd())
	f.agreed = agreement{minor: conn.Protocol().Minor, flags: uint64(conn.Features())}
	f.logMode(f.agreed, "cached", "mounted by an ordinary user")
	return nil
}
