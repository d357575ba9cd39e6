package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"shmfs/fs"
	"shmfs/fs/keep"
	"shmfs/mmapcore/crashpoint"
)

// newWorkerCommand is the process that serves a mount, or waits until it has to.
func newWorkerCommand() *cobra.Command {
	w := &worker{settings: &logSettings{}, over: make(chan struct{})}
	command := &cobra.Command{
		Use:    "worker MOUNTPOINT",
		Hidden: true,
		Args:   exactlyOne,
		RunE: func(_ *cobra.Command, arguments []string) error {
			w.mountpoint = arguments[0]
			return w.run()
		},
	}
	w.settings.addInherited(command)
	return command
}

// worker is the life of one mount in a process that serves it. It is the mount's supervisor to the file system: it passes on what that is
// asked, and says what it was told.
type worker struct {
	mountpoint string
	settings   *logSettings
	log        hclog.Logger
	sentinel   int // descriptor; negative: none

	keeper     *keeper
	connection *fs.Connection
	listener   int      // socket to serve metrics on; negative: none
	note       *os.File // nil: none
	filesystem *fs.Filesystem
	metrics    *metricsServer // nil: none
	device     string         // of the mount in the mount table
	program    string         // where the program is on disk
	restarts   uint64
	baton      int           // descriptor while it hands over; else negative
	handed     bool          // it serves no more
	turn       bool          // it has the baton
	orphaned   bool          // it has no supervisor
	over       chan struct{} // closed when this process is about to end

	mu         sync.Mutex
	link       *keep.Link    // to the supervisor; guarded by mu
	supervisor int           // process; guarded by mu
	outcomes   outcomes      // of reloads; guarded by mu
	completed  reloadOutcome // of the reload that this worker was started by, until the supervisor tells it; guarded by mu
}

// errDismissed says that a worker is not needed any more.
var errDismissed = errors.New("dismissed")

func (w *worker) run() error {
	closeStarted()
	nameProcess()
	// What is sent to all processes of a terminal or a service means the mount, and the supervisor.
	signal.Notify(make(chan os.Signal, 1), unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2)
	signal.Ignore(unix.SIGPIPE)
	var err error
	if w.link, err = inheritedLink(); err != nil {
		return err
	}
	if w.log, err = w.settings.open("worker"); err != nil {
		return err
	}
	prepareProcess(w.log)
	dropRights(w.log)
	w.sentinel, w.baton = newSentinel(), -1
	if err := w.greet(); err != nil {
		return err
	}
	begun, err := w.await()
	if errors.Is(err, errDismissed) {
		return nil
	}
	if err == nil {
		err = w.begin(begun)
	}
	if err != nil {
		w.log.Error("the mount could not be served", "mountpoint", w.mountpoint, "error", err)
		_ = w.link.Send(keep.Message{Kind: keep.Failed, Text: textOf(err)}) // fails when nobody is there to be told
		return err
	}
	return w.serve()
}

// greet says what this process is.
func (w *worker) greet() error {
	text, err := json.Marshal(ownGreeting())
	if err != nil {
		return fmt.Errorf("writing down what this program is: %w", err)
	}
	m := keep.Message{Kind: keep.Hello, Text: text}
	if w.sentinel >= 0 {
		m.Files = []int{w.sentinel}
	}
	return w.link.Send(m)
}

// await waits until there is something to serve. errDismissed when there never will be.
func (w *worker) await() (estate, error) {
	var holder keep.Holder
	for {
		m, err := w.link.Receive()
		ownPulse.Beat()
		if err != nil {
			return estate{}, fmt.Errorf("%w: %w", errDismissed, err)
		}
		switch m.Kind {
		case keep.Kept:
			if err := holder.Obey(&m); err != nil {
				return estate{}, err
			}
		case keep.Serve:
			return w.take(&m, &holder)
		case keep.Leave:
			return estate{}, errDismissed
		default:
			m.Close()
		}
	}
}

// take takes over what there is to serve.
func (w *worker) take(m *keep.Message, holder *keep.Holder) (estate, error) {
	defer m.Close()
	left, connection, has, err := inherit(m)
	if err != nil {
		return left, err
	}
	w.connection, w.listener, w.note = connection, has.listener, has.note
	if left.Relay.Worker != 0 {
		if err := left.Relay.join(m); err != nil {
			return left, err
		}
	}
	w.device, w.program, w.restarts = left.Device, left.Program, left.Restarts
	w.supervisor, w.outcomes, w.completed = left.Supervisor, left.Outcomes, left.Reload
	return left, w.takeKept(holder.Take())
}

// takeKept takes over what was held for the worker before.
func (w *worker) takeKept(kept map[uint64]int) error {
	w.connection.Kept = make(map[uint64]*os.File, len(kept))
	for number, descriptor := range kept {
		copied, err := unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("copying the descriptor of inode %d: %w", number, err)
		}
		w.connection.Kept[number] = os.NewFile(uintptr(copied), "inode")
	}
	w.keeper = newKeeper(keep.NewClient(w.link, kept), kept, w.log)
	return nil
}

// join returns when it is this worker's turn. errDismissed when another goes on.
func (r *relay) join(m *keep.Message) error {
	files := m.Files // closed by the caller
	if len(files) < 2 || r.Sentinel && len(files) < 3 {
		return fmt.Errorf("%d descriptors for a relay: %w", len(files), unix.EPROTO)
	}
	crashpoint.Here("shmfs: the baton is about to be taken")
	if !takeBaton(files[0]) {
		return errDismissed
	}
	crashpoint.Here("shmfs: the baton is taken")
	sentinel := -1
	if r.Sentinel {
		sentinel = files[2]
	}
	awaitLastStep(r.Worker, files[1], sentinel)
	return nil
}

// takeBaton says whether this process is the one that goes on. Of several that ask it is one.
func takeBaton(baton int) bool {
	var value [8]byte
	n, err := unix.Read(baton, value[:])
	return err == nil && n == len(value)
}

// begin makes what serves the mount.
func (w *worker) begin(left estate) error {
	filesystem, err := fs.Resume(w.connection, w.keeper, w.log)
	if err != nil {
		return err
	}
	w.filesystem = filesystem
	filesystem.Supervise(w)
	if left.Died {
		filesystem.TellRestart()
	}
	return w.startMetrics()
}

func (w *worker) startMetrics() error {
	if w.listener < 0 {
		return nil
	}
	socket, err := unix.FcntlInt(uintptr(w.listener), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("copying the socket for metrics: %w", err)
	}
	w.metrics, err = serveMetrics(socket, w.filesystem.Metrics(), w.log)
	return err
}

// estate is what this process leaves to a supervisor.
func (w *worker) estate() estate {
	w.mu.Lock()
	defer w.mu.Unlock()
	return estate{
		Device: w.device, Program: w.program, Restarts: w.restarts, Outcomes: w.outcomes,
		Worker: ownProcess, Sentinel: w.sentinel >= 0, Greeting: ownGreeting(), HandedOver: w.handed,
	}
}

// Process returns the supervisor's process id.
func (w *worker) Process() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.supervisor
}

// Restarts returns how often a worker has died.
func (w *worker) Restarts() uint64 { return w.restarts }

// Reload asks the supervisor for another worker. EBUSY while one is under way, and while there is no supervisor: who asks
// tries again. (Of EAGAIN the kernel makes EOPNOTSUPP.)
func (w *worker) Reload(request string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.outcomes.of(request).State != "" {
		return nil // asked before, and not answered
	}
	if w.outcomes.going() {
		return fmt.Errorf("a reload is under way: %w", unix.EBUSY)
	}
	if err := w.link.Send(keep.Message{Kind: keep.Reload, Text: []byte(request)}); err != nil {
		return fmt.Errorf("asking for another worker: %v: %w", err, unix.EBUSY) // the only errno: it is what who asks is told
	}
	w.outcomes.note(reloadOutcome{Request: request, State: reloadGoing})
	return nil
}

// Outcome tells of the last reloads.
func (w *worker) Outcome() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outcomes.text()
}

// textOf is an error for another process.
func textOf(err error) []byte {
	text := errorLine(err)
	return []byte(text[:min(len(text), keep.MostText)])
}
