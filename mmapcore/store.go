package mmapcore

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Store is where backing files live: one file system subtree, reached by descriptor only. A store is either a tmpfs that is
// mounted nowhere (NewTmpfs) or a directory of any file system (OpenDirectory).
//
// All methods may be called concurrently, except Close, after which none may be called.
type Store struct {
	root       int  // an ordinary (not O_PATH) descriptor of the root directory; immutable
	mount      int  // the detached mount, or -1 for a directory; immutable
	handles    bool // file handles can be opened again; immutable
	persistent bool // outlives the daemon; immutable
}

// TmpfsOptions are the limits of a tmpfs store, with tmpfs(5)'s meaning.
type TmpfsOptions struct {
	Size   int64  // bytes; 0: no limit
	Inodes int64  // 0: no limit
	Huge   string // never, always, within_size or advise; empty: the kernel's default
	Mode   uint32 // permission bits of the root directory
	UID    uint32 // owner of the root directory
	GID    uint32 // group of the root directory
}

// NewTmpfs makes a tmpfs that no path leads to. It needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace
// (EPERM otherwise), and Linux 5.2 (ENOSYS before). A kernel without huge pages gets none, whatever Huge says.
func NewTmpfs(options TmpfsOptions) (*Store, error) {
	mount, err := MountTmpfs(options)
	if errors.Is(err, unix.EINVAL) && options.Huge != "" {
		options.Huge = ""
		mount, err = MountTmpfs(options)
	}
	if err != nil {
		return nil, err
	}
	return StoreOnMount(mount)
}

// StoreOnMount makes a store of a detached mount's descriptor, which it takes over (and closes if it fails).
func StoreOnMount(mount int) (*Store, error) {
	root, err := storeCalls.openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = storeCalls.close(mount)
		return nil, fmt.Errorf("opening the store's root: %w", err)
	}
	store := &Store{root: root, mount: mount}
	store.handles = store.probeHandles()
	return store, nil
}

// MountTmpfs is NewTmpfs's first half: it returns the descriptor of the detached mount, which may be handed to another
// process and made a store there by StoreOnMount.
func MountTmpfs(options TmpfsOptions) (int, error) {
	context, err := storeCalls.fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("opening a tmpfs context: %w", err)
	}
	defer storeCalls.close(context)
	parameters := append(limitParameters(options, true),
		parameter{"mode", strconv.FormatUint(uint64(options.Mode), 8)},
		parameter{"uid", strconv.FormatUint(uint64(options.UID), 10)},
		parameter{"gid", strconv.FormatUint(uint64(options.GID), 10)},
		parameter{"source", "shmfs"})
	if err := configure(context, parameters); err != nil {
		return -1, err
	}
	// Inode numbers are node ids, so they must never come round: 64 bits where the kernel offers them (5.9 and later).
	if err := storeCalls.fsconfigFlag(context, "inode64"); err != nil && !errors.Is(err, unix.EINVAL) {
		return -1, fmt.Errorf("setting the store's inode64: %w", err)
	}
	if err := storeCalls.fsconfigCreate(context); err != nil {
		return -1, fmt.Errorf("creating the store's tmpfs: %w", err)
	}
	mount, err := storeCalls.fsmount(context, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return -1, fmt.Errorf("mounting the store's tmpfs: %w", err)
	}
	return mount, nil
}

// OpenDirectory makes a store of an existing directory. What it holds outlives the daemon. Only one store at a time may
// use a directory: EWOULDBLOCK when another does.
func OpenDirectory(path string) (*Store, error) {
	root, err := storeCalls.openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the store directory %s: %w", path, err)
	}
	if err := storeCalls.flock(root, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = storeCalls.close(root)
		return nil, fmt.Errorf("locking the store directory %s (another shmfs uses it?): %w", path, err)
	}
	return StoreOnDirectory(root), nil
}

// StoreOnDirectory makes a store of the descriptor, as Share returns it, of a directory that is locked already. It takes the
// descriptor over.
func StoreOnDirectory(root int) *Store {
	store := &Store{root: root, mount: -1, persistent: true}
	store.handles = store.probeHandles()
	return store
}

// Share returns a descriptor of the store for another process, where StoreOnMount or, if Persistent, StoreOnDirectory makes the same
// store of it. As long as it is open the store lasts, and with it the lock of a directory.
func (s *Store) Share() (*os.File, error) {
	shared := s.mount
	if s.persistent {
		shared = s.root
	}
	descriptor, err := unix.FcntlInt(uintptr(shared), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sharing the store: %w", err)
	}
	return os.NewFile(uintptr(descriptor), "store"), nil
}

// Root is the root directory's descriptor, for the *at calls. It belongs to the store.
func (s *Store) Root() int { return s.root }

// Persistent says whether what the store holds outlives the daemon.
func (s *Store) Persistent() bool { return s.persistent }

// HandsOutHandles says whether Identify and Reopen work: they need CAP_DAC_READ_SEARCH and a file system that exports.
func (s *Store) HandsOutHandles() bool { return s.handles }

// Identify returns the handle of the inode that descriptor (O_PATH or ordinary) is open on; EOPNOTSUPP where
// HandsOutHandles is false. Mirrors name_to_handle_at(2) with AT_EMPTY_PATH.
func (s *Store) Identify(descriptor int) (FileHandle, error) {
	handle, _, err := storeCalls.nameToHandle(descriptor, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return "", fmt.Errorf("identifying an inode: %w", err)
	}
	return newFileHandle(handle), nil
}

// Reopen opens the inode a handle names and returns a new descriptor, the caller's to close. ESTALE when the inode is gone.
// Mirrors open_by_handle_at(2); flags are open(2)'s, O_CLOEXEC is added.
func (s *Store) Reopen(handle FileHandle, flags int) (int, error) {
	unpacked, err := handle.unpack()
	if err != nil {
		return -1, err
	}
	descriptor, err := storeCalls.openByHandle(s.root, unpacked, flags|unix.O_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("reopening an inode: %w", err)
	}
	return descriptor, nil
}

// Close gives the descriptors back. A tmpfs store's memory is freed when the last mapping and descriptor of it is gone too.
func (s *Store) Close() error {
	err := storeCalls.close(s.root)
	if s.mount >= 0 {
		err = errors.Join(err, storeCalls.close(s.mount))
	}
	return err
}

// probeHandles tries the round trip once on the root: some file systems hand out handles they cannot open.
func (s *Store) probeHandles() bool {
	handle, err := s.Identify(s.root)
	if err != nil {
		return false
	}
	descriptor, err := s.Reopen(handle, unix.O_PATH)
	if err != nil {
		return false
	}
	return storeCalls.close(descriptor) == nil
}
