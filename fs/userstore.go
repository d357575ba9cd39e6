package fs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// An ordinary user may mount a tmpfs only inside a user namespace. A child process enters one, makes the tmpfs there and
// hands its descriptor back; the child ends, the detached tmpfs stays.

// userStoreName is argv[0] of that child, which is this same program.
const userStoreName = "shmfs-user-store"

// userStoreSocket is the child's descriptor of the socket to answer on: the first behind the standard streams.
const userStoreSocket = 3

// RunUserStore must be called first in main. In the child it makes the store and does not return; elsewhere it does nothing.
func RunUserStore() {
	if len(os.Args) != 4 || os.Args[0] != userStoreName {
		return
	}
	if err := handOverStore(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func handOverStore(size, inodes, shape string) error {
	options := mmapcore.TmpfsOptions{}
	_, err := fmt.Sscan(size+" "+inodes, &options.Size, &options.Inodes)
	if err != nil {
		return fmt.Errorf("reading the limits: %w", err)
	}
	if _, err := fmt.Sscanf(shape, "%o,%s", &options.Mode, &options.Huge); err != nil {
		return fmt.Errorf("reading the shape: %w", err)
	}
	// Root inside is the user outside.
	mount, err := mmapcore.MountTmpfs(options)
	if err != nil {
		return err
	}
	return unix.Sendmsg(userStoreSocket, []byte{0}, unix.UnixRights(mount), nil, 0)
}

// newUserStore makes a tmpfs store for an ordinary user.
func newUserStore(limits mmapcore.TmpfsOptions) (*mmapcore.Store, error) {
	mount, err := receiveStore(limits)
	if err != nil {
		return nil, fmt.Errorf("making a tmpfs in a user namespace (where those are not permitted, give store=DIRECTORY): %w", err)
	}
	return mmapcore.StoreOnMount(mount)
}

func receiveStore(limits mmapcore.TmpfsOptions) (int, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket: %w", err)
	}
	ours := os.NewFile(uintptr(pair[0]), "user store")
	theirs := os.NewFile(uintptr(pair[1]), "user store")
	defer ours.Close()
	child := userStoreCommand(limits)
	child.ExtraFiles = []*os.File{theirs}
	output, err := child.CombinedOutput()
	_ = theirs.Close()
	if err != nil {
		return -1, fmt.Errorf("%w: %s", errors.Join(err, unix.EPERM), output)
	}
	descriptor, err := receiveDescriptor(int(ours.Fd()))
	if err != nil {
		return -1, fmt.Errorf("receiving the store: %w", err)
	}
	return descriptor, nil
}

func userStoreCommand(limits mmapcore.TmpfsOptions) *exec.Cmd {
	huge := limits.Huge
	if huge == "" {
		huge = "never"
	}
	return &exec.Cmd{
		Path: "/proc/self/exe",
		Args: []string{
			userStoreName, fmt.Sprint(limits.Size), fmt.Sprint(limits.Inodes), fmt.Sprintf("%o,%s", limits.Mode, huge),
		},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		},
	}
}
