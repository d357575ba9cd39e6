package fs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"shmfs/fs/rights"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// helperPatience is how long an operation of the helper may take. It takes microseconds unless the mount does not answer it.
const helperPatience = 10 * time.Second

// helperStarts is how often an operation tries to find a process that takes it. The first may have died since the last operation.
const helperStarts = 3

// helper has operations on semaphores done by another process, which uses the mount as any client does: the daemon must not touch
// its own mount. The process is started when it is first needed, and again when it has died.
//
// All methods may be called concurrently; close once, when no other is running. An operation fails with the errno that it met
// (see semfs.Semaphore); ENOENT or ESTALE when the semaphore is not there, which leaves everything as it was; and EIO
// when the process died or was ended because it took too long, which leaves open whether the operation was done (errNoAnswer). None may be
// asked for by what the kernel must have answered before the helper can go on: LOOKUP, OPEN, READ and WRITE of its pages, GETATTR;
// and SETATTR with a size, during which the kernel writes no pages back.
type helper struct {
	log      hclog.Logger                    // immutable
	command  func(socket *os.File) *exec.Cmd // immutable
	patience time.Duration                   // immutable
	byHandle bool                            // it may open files by handle; immutable

	mu      sync.Mutex
	current *helperLink // to the process that runs; nil when none does; guarded by mu
	closed  bool        // guarded by mu

	processes sync.WaitGroup // that are not reaped yet
}

// newHelper returns the helper of the mount at a path, whose files have that st_dev.
func newHelper(mountpoint string, device uint64, byHandle bool, log hclog.Logger) *helper {
	log = log.Named("semaphore-helper")
	command := func(socket *os.File) *exec.Cmd { return helperCommand(mountpoint, device, socket, log) }
	return &helper{log: log, command: command, patience: helperPatience, byHandle: byHandle}
}

func helperCommand(mountpoint string, device uint64, socket *os.File, log hclog.Logger) *exec.Cmd {
	return &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       []string{helperName, mountpoint, strconv.FormatUint(device, 10)},
		Dir:        "/",
		Stderr:     log.StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Error}),
		ExtraFiles: []*os.File{socket},
		// What a terminal sends to the daemon's group means the mount, and the helper is needed until its end.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		WaitDelay:   time.Second,
	}
}

// has says whether a thread, by the number that requests carry, is the helper's: what it opens is opened for the daemon.
func (h *helper) has(thread uint32) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil || thread == 0 {
		return false
	}
	process := h.current.process
	if unix.Access(fmt.Sprintf("/proc/%d/task/%d", process.Pid, thread), unix.F_OK) != nil {
		return false
	}
	return process.Signal(syscall.Signal(0)) == nil // else it has ended, and its number may be another's
}

// call has an operation done, and returns the answer to it.
func (h *helper) call(request helperRequest) (helperAnswer, error) {
	if length := len(request.target.path); length >= unix.PathMax {
		return helperAnswer{}, fmt.Errorf("a path of %d bytes: %w", length, unix.ENAMETOOLONG)
	}
	var err error
	for range helperStarts {
		var link *helperLink
		if link, err = h.link(); err != nil {
			return helperAnswer{}, err
		}
		var answer helperAnswer
		if answer, err = link.ask(request, h.patience); err == nil {
			return answer, answer.err()
		}
		h.drop(link, err)
		if !errors.Is(err, errNotAsked) {
			break
		}
	}
	return helperAnswer{}, fmt.Errorf("the semaphores' helper process: %w: %w", err, unix.EIO)
}

// link returns the link to the process that runs, which it starts if none does.
func (h *helper) link() (*helperLink, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("the semaphores' helper process: the mount has ended: %w", unix.ENODEV)
	}
	if h.current != nil {
		return h.current, nil
	}
	link, err := h.start()
	if err != nil {
		return nil, fmt.Errorf("starting the semaphores' helper process: %w", err)
	}
	h.log.Debug("started", "process", link.process.Pid)
	h.current = link
	return link, nil
}

func (h *helper) start() (*helperLink, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "helper")
	defer theirs.Close()
	if err := unix.SetNonblock(pair[0], true); err != nil {
		_ = unix.Close(pair[0])
		return nil, fmt.Errorf("making a socket that does not block: %w", err)
	}
	ours := os.NewFile(uintptr(pair[0]), "helper")
	command := h.command(theirs)
	unlimited := func(err error) { h.log.Warn("the process keeps rights that it does not need", "reason", err) }
	if err := rights.Start(command, rights.SemaphoreHelper, unlimited); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	link := newHelperLink(command.Process, ours)
	h.processes.Go(link.receive)
	h.processes.Go(func() {
		if err := command.Wait(); err != nil {
			h.log.Debug("ended", "process", command.Process.Pid, "reason", err)
		}
		link.end()
	})
	return link, nil
}

// drop ends a process that did not do its work. It may still hang in the mount; nobody waits for that.
func (h *helper) drop(link *helperLink, reason error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current != link {
		return // somebody else has
	}
	h.current = nil
	h.log.Warn("the helper process for semaphores is given up: the next operation starts another",
		"process", link.process.Pid, "reason", reason)
	link.kill()
}

// close ends the process and reaps it. The connection to the kernel should be closed before: a process that hangs in the mount
// goes on then.
func (h *helper) close() {
	h.mu.Lock()
	link := h.current
	h.closed, h.current = true, nil
	h.mu.Unlock()
	if link != nil {
		link.hangUp()
	}
	reaped := make(chan struct{})
	go func() {
		h.processes.Wait()
		close(reaped)
	}()
	timer := time.NewTimer(h.patience)
	defer timer.Stop()
	select {
	case <-reaped:
	case <-timer.C:
		h.log.Error("the helper process for semaphores does not end")
		if link != nil {
			link.kill()
		}
	}
}
