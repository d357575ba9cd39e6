package differential

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Environment of a worker process.
const (
	workerVariable = "SHMFS_DIFFERENTIAL_WORKER" // set: this process is a worker
	lieVariable    = "SHMFS_DIFFERENTIAL_LIE"    // the lie it tells; see lie.go
)

// worker is the state of a worker process. One goroutine, locked to its thread, does everything: credentials are a
// thread's.
type worker struct {
	files   [fileSlots]int // descriptors, or -1
	areas   [areaSlots]*arena
	pipe    [2]int
	outside int // the machine's own root, as O_PATH
	lie     lie
}

// ServeIfWorker turns this process into a worker if it was started as one, and then does not return.
func ServeIfWorker() {
	if os.Getenv(workerVariable) == "" {
		return
	}
	runtime.LockOSThread()
	debug.SetPanicOnFault(true)
	w, err := newWorker(os.Getenv(lieVariable))
	if err == nil {
		err = w.serve(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "worker: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func newWorker(told string) (*worker, error) {
	w := &worker{lie: lie(told)}
	for i := range w.files {
		w.files[i] = -1
	}
	for i := range w.areas {
		arena, err := newArena()
		if err != nil {
			return nil, err
		}
		w.areas[i] = arena
	}
	if err := unix.Pipe2(w.pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("making the splice pipe: %w", err)
	}
	const room = 256 << 10 // more than any call's data
	if _, err := unix.FcntlInt(uintptr(w.pipe[1]), unix.F_SETPIPE_SZ, room); err != nil {
		return nil, fmt.Errorf("enlarging the splice pipe: %w", err)
	}
	outside, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the root directory: %w", err)
	}
	w.outside = outside
	return w, nil
}

// serve answers requests until there are no more.
func (w *worker) serve(from io.Reader, to io.Writer) error {
	requests := json.NewDecoder(bufio.NewReader(from))
	responses := json.NewEncoder(to)
	for {
		var asked request
		if err := requests.Decode(&asked); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading a request: %w", err)
		}
		if err := responses.Encode(w.answer(asked)); err != nil {
			return fmt.Errorf("writing a response: %w", err)
		}
	}
}

func (w *worker) answer(asked request) response {
	switch asked.Control {
	case controlEnter:
		return response{Outcome: result(0, w.enter(asked.Directory, identities[asked.Identity]))}
	case controlLeave:
		return response{Outcome: result(0, w.leave())}
	case controlHeld:
		return w.held()
	case controlTree:
		return tree()
	case controlNames:
		return response{Outcome: Outcome{Facts: namesBelow("/")}}
	case controlPrepare:
		return response{Outcome: result(0, prepareTree(asked.Directory))}
	case controlRemove:
		return response{Outcome: result(0, os.RemoveAll(asked.Directory))}
	case controlUsage:
		return response{Outcome: usage(asked.Directory)}
	default:
		return w.call(asked.Call)
	}
}

func (w *worker) call(c Call) response {
	var answer response
	if c.Watch == watchAround {
		answer.Before = w.seeConcerned(c)
	}
	answer.Outcome = w.lie.told(w, c, operationNamed[c.Operation].run)
	if c.Watch != watchNothing {
		answer.After = w.seeConcerned(c)
	}
	return answer
}

// enter confines the process to the directory and takes on the identity. The saved user id stays 0, which gives the
// process no right as long as it acts as another user, but lets leave undo it.
func (w *worker) enter(directory string, who identity) error {
	if err := unix.Chdir(directory); err != nil {
		return fmt.Errorf("entering %s: %w", directory, err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("confining to %s: %w", directory, err)
	}
	unix.Umask(0o022)
	groups := make([]int, len(who.groups))
	copy(groups, who.groups)
	if err := unix.Setgroups(groups); err != nil {
		return fmt.Errorf("setting groups %v: %w", groups, err)
	}
	if err := unix.Setresgid(who.group, who.group, 0); err != nil {
		return fmt.Errorf("setting group %d: %w", who.group, err)
	}
	if err := unix.Setresuid(who.user, who.user, 0); err != nil {
		return fmt.Errorf("setting user %d: %w", who.user, err)
	}
	return nil
}

// leave drops everything held and undoes enter.
func (w *worker) leave() error {
	for i := range w.files {
		w.hold(i, -1)
	}
	for _, each := range w.areas {
		if err := each.unmap(0, areaSize); err != nil {
			return fmt.Errorf("unmapping: %w", err)
		}
	}
	w.drain()
	if err := unix.Setresuid(0, 0, 0); err != nil {
		return fmt.Errorf("becoming root again: %w", err)
	}
	if err := unix.Setresgid(0, 0, 0); err != nil {
		return fmt.Errorf("becoming root's group again: %w", err)
	}
	if err := unix.Fchdir(w.outside); err != nil {
		return fmt.Errorf("going outside: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("leaving confinement: %w", err)
	}
	return nil
}

// hold puts a descriptor (or -1 for none) into a slot and closes what the slot held.
func (w *worker) hold(slot, descriptor int) {
	if held := w.files[slot]; held >= 0 && held != descriptor {
		_ = unix.Close(held)
	}
	w.files[slot] = descriptor
}

// start is the descriptor that the call's relative paths start from.
func (w *worker) start(c Call) int {
	if c.At == workingDirectory {
		return unix.AT_FDCWD
	}
	return w.files[c.At]
}

func (w *worker) isDirectory(slot int) bool {
	var stat unix.Stat_t
	return unix.Fstat(w.files[slot], &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR
}
