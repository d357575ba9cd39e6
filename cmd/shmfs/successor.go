package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"shmfs/fs/keep"
	"shmfs/mmapcore/crashpoint"
)

// newSupervisorCommand is the process that a worker starts when its supervisor has died.
func newSupervisorCommand() *cobra.Command {
	settings := &logSettings{}
	command := &cobra.Command{
		Use:    "supervisor MOUNTPOINT",
		Hidden: true,
		Args:   exactlyOne,
		RunE:   func(_ *cobra.Command, arguments []string) error { return succeed(arguments[0], settings) },
	}
	settings.addInherited(command)
	return command
}

// succeed takes over what a worker has, and supervises it from then on.
func succeed(mountpoint string, settings *logSettings) error {
	nameProcess()
	log, err := settings.open("supervisor")
	if err != nil {
		return err
	}
	link, err := inheritedLink()
	if err != nil {
		return err
	}
	s, err := newSupervisor(mountpoint, settings, log)
	if err != nil {
		return err
	}
	s.catchSignals()
	prepareProcess(log)
	left, err := s.adopt(link)
	if err != nil {
		log.Error("the mount could not be taken over", "mountpoint", mountpoint, "error", err)
		return err
	}
	log.Warn("the supervisor has died: this one goes on", "mountpoint", mountpoint, "worker", left.Worker)
	s.manager.tellMain(ownProcess)
	s.manager.holdMount(s.connection) // its predecessor may not have come to it
	if left.HandedOver {
		s.after(0, s.finishHandOver)
	}
	return s.run()
}

// inheritedLink is the link to the process that started this one.
func inheritedLink() (*keep.Link, error) {
	file := os.NewFile(linkDescriptor, "link")
	if file == nil {
		return nil, failure(exitUsage, "this command is started by shmfs mount alone")
	}
	defer file.Close()
	link, err := keep.Open(file)
	if err != nil {
		return nil, failure(exitUsage, "this command is started by shmfs mount alone: %w", err)
	}
	return link, nil
}

// adopt takes everything from the worker at the other end, and its supervision.
func (s *supervisor) adopt(link *keep.Link) (estate, error) {
	for {
		m, err := link.Receive()
		if err != nil {
			return estate{}, err
		}
		if m.Kind != keep.Inherit {
			s.obey(&m)
			continue
		}
		left, err := s.inherit(&m, link)
		m.Close()
		if err == nil {
			crashpoint.Here("shmfs: a mount is about to be taken over")
			err = link.Send(keep.Message{Kind: keep.Adopted})
			crashpoint.Here("shmfs: a mount is taken over")
		}
		return left, err
	}
}

func (s *supervisor) inherit(m *keep.Message, link *keep.Link) (left estate, err error) {
	var has belongings
	if left, s.connection, has, err = inherit(m); err != nil {
		return left, err
	}
	s.listener, s.note = has.listener, has.note
	s.device, s.path, s.restarts, s.outcomes = left.Device, left.Program, left.Restarts, left.Outcomes
	c := &child{pid: left.Worker, link: link, sentinel: -1, received: make(chan struct{}), greeting: &left.Greeting, began: s.around.now()}
	if c.process, err = take(m, "worker"); err != nil {
		return left, err
	}
	if left.Sentinel {
		if c.sentinel, err = take(m, "worker's sentinel"); err != nil {
			return left, err
		}
	}
	if err := c.watch(s.over); err != nil {
		return left, err
	}
	c.watchSentinel(s.over)
	s.worker = c
	return left, nil
}

// adoptLimit is how long a new supervisor may take to take over.
const adoptLimit = 30 * time.Second

// successor is a supervisor as the worker sees it that has started it.
type successor struct {
	link    *keep.Link
	process int
}

// orphanLimit is how long a supervisor that has closed its end of the link may take to be no parent any more.
const orphanLimit = time.Second

// awaitOrphanhood returns when the dead supervisor is not this process's parent any more, or takes too long to go.
func (w *worker) awaitOrphanhood() {
	for deadline := time.Now().Add(orphanLimit); os.Getppid() == w.Process() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// startSuccessor starts a supervisor and leaves everything to it. It returns when that has taken over. The supervisor has the parent that this
// process has when the one before is gone, the service manager: who is told of the end of its children and of no other's.
func (w *worker) startSuccessor() (*successor, error) {
	link, theirs, err := keep.Pair()
	if err != nil {
		return nil, err
	}
	w.awaitOrphanhood()
	command := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"shmfs", "supervisor"}, Dir: "/", Stderr: os.Stderr, ExtraFiles: []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_PARENT},
	}
	w.settings.bequeath(command)
	command.Args = append(command.Args, "--", w.mountpoint)
	err = command.Start()
	_ = theirs.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting a supervisor: %w", err), link.Close())
	}
	go func() { _ = command.Wait() }() // fails for a sibling: its end shows at the link
	limit := time.AfterFunc(adoptLimit, func() { _ = command.Process.Kill() })
	defer limit.Stop()
	if err := w.bequeath(link); err != nil {
		_ = command.Process.Kill()
		return nil, errors.Join(fmt.Errorf("leaving the mount to a new supervisor: %w", err), link.Close())
	}
	return &successor{link: link, process: command.Process.Pid}, nil
}

// bequeath sends everything there is and waits until it is taken over.
func (w *worker) bequeath(link *keep.Link) error {
	own, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("making a descriptor of this process: %w", err)
	}
	defer unix.Close(own)
	if err := w.keeper.Follow(link); err != nil {
		return err
	}
	left := w.estate()
	m, err := left.leave(keep.Inherit, w.connection, belongings{w.listener, w.note}, own, w.sentinel)
	if err != nil {
		return err
	}
	if err := link.Send(m); err != nil {
		return err
	}
	answer, err := link.Receive()
	if err != nil {
		return err
	}
	answer.Close()
	if answer.Kind != keep.Adopted {
		return fmt.Errorf("it answers with a message of kind %d: %w", answer.Kind, unix.EPROTO)
	}
	return nil
}

// succession is the time between the tries to start a supervisor.
const succession = time.Second

// follow goes over to a new supervisor, however often that takes, and says when it has.
func (w *worker) follow(followed chan<- struct{}) {
	w.log.Warn("the supervisor has died: another is started", "supervisor", w.Process())
	w.concludeReloads()
	for {
		next, err := w.startSuccessor()
		if err == nil {
			w.mu.Lock()
			_ = w.link.Close()
			w.link, w.supervisor = next.link, next.process
			w.mu.Unlock()
			followed <- struct{}{}
			return
		}
		w.log.Error("no supervisor could be started: trying again", "error", err)
		select {
		case <-w.over:
			return
		case <-time.After(succession):
		}
	}
}

// concludeReloads says what has come of the reloads that a supervisor had under way which has died: the one that this worker was started
// by is done.
func (w *worker) concludeReloads() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.completed.State != "" {
		w.outcomes.note(w.completed)
		w.completed = reloadOutcome{}
	}
	w.outcomes.abandon("the supervisor died meanwhile")
}

// readOutcome takes what a supervisor says of a reload.
func (w *worker) readOutcome(text []byte) error {
	var outcome reloadOutcome
	if err := json.Unmarshal(text, &outcome); err != nil {
		return fmt.Errorf("reading what became of a reload: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcomes.note(outcome)
	if outcome.Request == w.completed.Request && outcome.State != reloadGoing {
		w.completed = reloadOutcome{}
	}
	return nil
}
