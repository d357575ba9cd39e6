package fs

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"shmfs/mmapcore"
	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// helperName is argv[0] of the helper process, which is this same program.
const helperName = "shmfs-semaphore-helper"

// helperSocket is the helper's descriptor of the socket to the daemon: the first behind the standard streams.
const helperSocket = 3

// helperParallel is how many operations the helper does at once, so that one which waits for the mount holds up no other.
const helperParallel = 64

// RunSemaphoreHelper must be called first in main. In the helper process it serves the daemon until that is gone, and does not
// return; elsewhere it does nothing.
func RunSemaphoreHelper() {
	if len(os.Args) != 3 || os.Args[0] != helperName {
		return
	}
	device, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err == nil {
		err = (&helperProcess{root: os.Args[1], device: device}).serve(helperSocket)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// helperProcess does operations on the semaphores of one mount, as a client of it. Between operations it holds on to nothing, so
// that the mount is not in use.
//
// Who writes to a semaphore holds the lock of its inode in the kernel while the helper works for that write. So nothing here may
// take it: not open without O_TRUNC, mmap and page faults, nor close and munmap as long as the daemon answers FLUSH with ENOSYS or
// opens with openNoFlush. What they ask of the daemon is served by others of its goroutines.
//
// Nor may it take the lock of a directory, since unlink, link and rename hold that while they wait for the inode's. Opening by
// file handle takes none. Opening by a path does when the kernel has forgotten the name; then the daemon gives up after a while,
// which ends the write and with it the knot.
type helperProcess struct {
	root   string // the mountpoint
	device uint64 // st_dev of the mount
}

// serve does what comes over the socket until its end.
func (p *helperProcess) serve(socket int) error {
	var going sync.WaitGroup
	defer going.Wait() // who was posted to must be woken too
	places := make(chan struct{}, helperParallel)
	buffer := make([]byte, helperMessageSize)
	for {
		n, err := unix.Read(socket, buffer)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("reading a request: %w", err)
		case n == 0:
			return nil
		}
		request, err := parseHelperRequest(buffer[:n])
		if err != nil {
			return err
		}
		places <- struct{}{}
		going.Go(func() {
			answer := p.answer(&request)
			// If this fails the daemon is gone, and so is the socket's other end.
			_ = unix.Sendto(socket, answer.encode(), unix.MSG_NOSIGNAL, nil)
			<-places
		})
	}
}

func (p *helperProcess) answer(request *helperRequest) helperAnswer {
	answer, err := p.operate(request)
	if err != nil {
		answer = helperAnswer{errno: errnoOf(err), text: err.Error()}
	}
	answer.number = request.number
	return answer
}

// operate does one operation. When it returns, nothing of the mount is held.
func (p *helperProcess) operate(request *helperRequest) (answer helperAnswer, err error) {
	descriptor, err := p.open(&request.target)
	if err != nil {
		return answer, err
	}
	region := mmapcore.NewRegion(descriptor)
	defer region.Close()
	semaphore, err := semfs.Open(region)
	if err != nil {
		return answer, err
	}
	defer semaphore.Close()
	switch request.operation {
	case helperState:
		answer.state, err = semaphore.State()
		return answer, err
	case helperSettle:
		answer.done, err = semaphore.Settle(request.stamp)
		return answer, err
	case helperChange:
		return request.change(semaphore)
	}
	return answer, fmt.Errorf("operation %d of the helper: %w", request.operation, unix.EINVAL)
}

// errOtherStamp ends a change that would get another stamp than it was to have.
var errOtherStamp = errors.New("the memory has another stamp")

func (r *helperRequest) change(semaphore *semfs.Semaphore) (answer helperAnswer, err error) {
	answer.moved, err = semaphore.Change(r.kind, r.value, func(stamp uint32) error {
		if r.stamping && stamp != r.stamp {
			answer.stamp = stamp
			return errOtherStamp
		}
		return nil
	})
	if errors.Is(err, errOtherStamp) {
		return answer, nil
	}
	answer.done = err == nil
	return answer, err
}

// open opens a file of the mount. ESTALE, or by a path ENOENT, when the target is not there any more.
func (p *helperProcess) open(target *helperTarget) (int, error) {
	flags := unix.O_PATH
	if target.path == "" {
		flags = unix.O_RDONLY // open_by_handle_at(2) takes no other
	}
	root, err := p.openRoot(flags)
	if err != nil {
		return -1, err
	}
	defer unix.Close(root)
	descriptor, err := target.open(root)
	if err != nil {
		return -1, err
	}
	if err := p.check(descriptor, target); err != nil {
		_ = unix.Close(descriptor)
		return -1, err
	}
	return descriptor, nil
}

// helperOpenFlags let the helper operate, and not wait for whoever opens the other end of a FIFO.
const helperOpenFlags = unix.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

// open opens what is meant, or something else that a path leads to.
func (t *helperTarget) open(root int) (int, error) {
	if t.path == "" {
		return t.openByHandle(root)
	}
	descriptor, err := openBeneath(root, t.path)
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EXDEV),
		errors.Is(err, unix.ENXIO): // a symbolic link, a directory, another mount, a socket
		return -1, fmt.Errorf("opening %q in the mount: %w: %w", t.path, unix.ESTALE, err)
	case err != nil:
		return -1, fmt.Errorf("opening %q in the mount: %w", t.path, err)
	}
	return descriptor, nil
}

// openByHandle opens a file by the handle that the kernel gives files of FUSE mounts: FILEID_INO64_GEN of its exportfs.h, and the
// node's id, upper half first, and generation.
func (t *helperTarget) openByHandle(root int) (int, error) {
	const inode64AndGeneration = 0x81
	handle := le.AppendUint32(nil, uint32(t.node>>32))
	handle = le.AppendUint32(handle, uint32(t.node))
	handle = le.AppendUint32(handle, t.generation)
	descriptor, err := unix.OpenByHandleAt(root, unix.NewFileHandle(inode64AndGeneration, handle), helperOpenFlags)
	if err != nil {
		return -1, fmt.Errorf("opening node %d of generation %d in the mount by its handle: %w", t.node, t.generation, err)
	}
	return descriptor, nil
}

// check fails with ESTALE when something else is open than what is meant.
func (p *helperProcess) check(descriptor int, target *helperTarget) error {
	var stat unix.Stat_t
	if err := unix.Fstat(descriptor, &stat); err != nil {
		return fmt.Errorf("looking at node %d in the mount: %w", target.node, err)
	}
	if stat.Ino != target.node || stat.Dev != p.device || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%q leads to inode %d of mode %o, not to the file %d: %w", target.path, stat.Ino, stat.Mode, target.node, unix.ESTALE)
	}
	return nil
}

// openRoot opens the mount's root, or fails with ESTALE if the mount is not where it was.
func (p *helperProcess) openRoot(flags int) (int, error) {
	root, err := unix.Open(p.root, flags|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening the root of the mount: %w", err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(root, &stat); err != nil {
		_ = unix.Close(root)
		return -1, fmt.Errorf("looking at the root of the mount: %w", err)
	}
	if stat.Dev != p.device {
		_ = unix.Close(root)
		return -1, fmt.Errorf("%s is device %#x, the mount is %#x: it is covered, or has left: %w", p.root, stat.Dev, p.device, unix.ESTALE)
	}
	return root, nil
}

// openBeneath opens a file for reading and writing by a path that stays below the root, on the same mount, and follows no link.
func openBeneath(root int, path string) (int, error) {
	how := unix.OpenHow{
		Flags: helperOpenFlags,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS |
			unix.RESOLVE_NO_XDEV,
	}
	for {
		descriptor, err := unix.Openat2(root, path, &how)
		if err != unix.EINTR {
			return descriptor, err
		}
	}
}
