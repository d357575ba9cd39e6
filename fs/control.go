package fs

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// A live mount is asked and changed through extended attributes of its root, which lead to the right daemon from any mount
// namespace and carry the kernel's own permission check: trusted.* needs CAP_SYS_ADMIN, and user.* on a sticky directory its
// owner, which is the only user an ordinary user's mount serves.
const (
	controlOptions = "options" // every option in force; writing it remounts
	controlPID     = "pid"     // the supervisor's process id
	controlReload  = "reload"  // what became of the last reloads; writing a text to name it by asks for one
	controlQuota   = "quota"   // users who have limits of their own, a line each; writing one sets them

	trustedControl = "trusted.shmfs."
	userControl    = "user.shmfs."
)

// controlPrefix is what the names of control attributes begin with: root inside a user namespace has no right to trusted.*.
func controlPrefix() string {
	if os.Geteuid() == 0 && inInitialUserNamespace() {
		return trustedControl
	}
	return userControl
}

// inInitialUserNamespace says whether this process's user ids are the machine's: all of them, each mapped to itself.
func inInitialUserNamespace() bool {
	mapping, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && slices.Equal(strings.Fields(string(mapping)), []string{"0", "0", "4294967295"})
}

func (f *Filesystem) readControl(r *fuse.GetxattrRequest) (value []byte, handled bool, err error) {
	if uint64(r.Node) != objects.RootID {
		return nil, false, nil
	}
	switch r.Name {
	case f.control + controlOptions:
		return []byte(f.options.Load().String()), true, nil
	case f.control + controlPID:
		return []byte(strconv.Itoa(f.supervisor.Process())), true, nil
	case f.control + controlReload:
		return []byte(f.supervisor.Outcome()), true, nil
	case f.control + controlQuota:
		return f.quotasText(), true, nil
	}
	return nil, false, nil
}

func (f *Filesystem) writeControl(r *fuse.SetxattrRequest) (handled bool, err error) {
	if uint64(r.Node) != objects.RootID {
		return false, nil
	}
	switch r.Name {
	case f.control + controlOptions:
		if err := f.mayControl(r.Uid); err != nil {
			return true, err
		}
		return true, f.applyRemount(string(r.Xattr))
	case f.control + controlReload:
		if err := f.mayControl(r.Uid); err != nil {
			return true, err
		}
		return true, f.supervisor.Reload(string(r.Xattr))
	case f.control + controlQuota:
		if err := f.mayControl(r.Uid); err != nil {
			return true, err
		}
		return true, f.setQuota(string(r.Xattr))
	case f.control + controlPID:
		return true, fmt.Errorf("%s cannot be set: %w", r.Name, unix.EPERM)
	}
	return false, nil
}

// mayControl lets those set an attribute of the class of ordinary users who made the mount, and root: where the root is not sticky the kernel
// lets everybody who may write there.
func (f *Filesystem) mayControl(uid uint32) error {
	if f.control == userControl && uid != 0 && uid != uint32(os.Geteuid()) {
		return fmt.Errorf("uid %d changes the mount of uid %d: %w", uid, os.Geteuid(), unix.EPERM)
	}
	return nil
}

// applyRemount changes the limits of the live mount.
func (f *Filesystem) applyRemount(text string) error {
	f.remount.Lock()
	defer f.remount.Unlock()
	now := *f.options.Load()
	changed, err := ParseRemount(text, now)
	if err != nil {
		f.log.Warn("remount refused", "options", text, "reason", err)
		return fmt.Errorf("remount: %w: %w", err, unix.EINVAL)
	}
	if err := f.tree.SetLimits(limitsOf(now), limitsOf(changed)); err != nil {
		f.log.Warn("remount refused", "options", text, "reason", err)
		return err
	}
	// A process that goes on in the place of this one has these in force.
	known := f.facts
	known.Options = changed
	if err := known.store(f.state.facts); err != nil {
		f.log.Error("remounted, but not for the next worker", "options", changed.String(), "error", err)
	}
	f.tree.SetQuota(changed.everybodysQuota())
	f.options.Store(&changed)
	f.setLimits(&changed)
	f.log.Info("remounted", "options", changed.String())
	return nil
}

func limitsOf(options Options) objects.Limits {
	return objects.Limits{Size: options.Size, Inodes: options.Inodes, Huge: options.Huge}
}
