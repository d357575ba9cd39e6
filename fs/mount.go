package fs

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// fileSystemType is what /proc/mounts shows.
const fileSystemType = "fuse.shmfs"

// mounting is the making of one mount.
type mounting struct {
	mountpoint string
	options    Options
	log        hclog.Logger
}

// mount mounts and shakes hands, by itself with the right to, else through fusermount3. It returns the device.
func (m *mounting) mount() (device int, agreed facts, err error) {
	device, agreed, err = m.mountDirectly()
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) || os.Geteuid() == 0 {
		return device, agreed, err
	}
	if m.options.RequirePassthrough {
		return -1, facts{}, fmt.Errorf("%w: it needs CAP_SYS_ADMIN", ErrPassthroughUnavailable)
	}
	return m.mountByFusermount()
}

func (m *mounting) mountDirectly() (int, facts, error) {
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, facts{}, fmt.Errorf("opening /dev/fuse: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d,default_permissions", device, os.Geteuid(), os.Getegid())
	if m.options.AllowOther {
		data += ",allow_other"
	}
	if err := unix.Mount(m.options.FSName, m.mountpoint, fileSystemType, mountFlags(m.options), data); err != nil {
		_ = unix.Close(device)
		return -1, facts{}, fmt.Errorf("mounting on %s: %w", m.mountpoint, err)
	}
	agreed, err := m.agree(device, true)
	if err != nil {
		_ = unix.Close(device) // aborts the connection, so that the unmount cannot wait for an answer
		return -1, facts{}, errors.Join(err, unix.Unmount(m.mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
	}
	return device, agreed, nil
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

// agree answers INIT and decides the mode. privileged says that the mount was made without fusermount3.
func (m *mounting) agree(device int, privileged bool) (facts, error) {
	obstacle := passthroughObstacle(m.options)
	agreed, err := handshake(device, terms{privileged: privileged, passthrough: obstacle == nil})
	if err != nil {
		return facts{}, err
	}
	if obstacle == nil && !agreed.passthrough {
		obstacle = errors.New("the kernel does not offer it (it needs Linux 6.9 and CONFIG_FUSE_PASSTHROUGH)")
	}
	if obstacle == nil {
		obstacle = probePassthrough(device)
	}
	agreed.passthrough = obstacle == nil
	if !agreed.passthrough && m.options.RequirePassthrough {
		return facts{}, fmt.Errorf("%w: %w", ErrPassthroughUnavailable, obstacle)
	}
	found := facts{
		Mountpoint: m.mountpoint, Options: m.options, Started: unix.NsecToTimespec(time.Now().UnixNano()),
		Minor: agreed.minor, Flags: agreed.flags, Passthrough: agreed.passthrough, Mode: "passthrough",
	}
	if obstacle != nil {
		found.Mode, found.Reason = "cached", obstacle.Error()
		found.ByHandle = agreed.grants(initExportSupport) && inInitialUserNamespace() && hasCapability(unix.CAP_DAC_READ_SEARCH)
	}
	m.logMode(found)
	number, err := mountedDevice(m.mountpoint)
	switch {
	case err == nil:
		found.Device = number
	case agreed.passthrough:
		m.log.Warn("who maps semaphores cannot be found out", "reason", err)
	default:
		return facts{}, err
	}
	return found, nil
}

// logMode says how clients will share memory and, unless it is the best way, why.
func (m *mounting) logMode(found facts) {
	details := []any{"mode", found.Mode, "protocol", fmt.Sprintf("%d.%d", protocolMajor, found.Minor)}
	if found.Reason != "" {
		details = append(details, "reason", found.Reason)
	}
	m.log.Info("mode", details...)
}
