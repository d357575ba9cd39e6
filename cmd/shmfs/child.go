package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"shmfs/fs/keep"
)

// child is a worker as its supervisor sees it: one that serves, or one that waits until it is told to.
type child struct {
	pid      int
	process  int // descriptor of the process; owned by the supervisor's loop
	sentinel int // descriptor of its sentinel; negative: none, or not yet told; owned by the supervisor's loop
	link     *keep.Link
	command  *exec.Cmd     // nil: another process started it
	received chan struct{} // closed when nothing more is received in the background
	once     sync.Once     // its end is told
	outbox   outbox        // what is sent to it

	// The rest is the supervisor's loop's alone.
	greeting *greeting // nil until it has said it
	began    time.Time // when it said that it serves; zero: it has not
	ended    bool      // it has said that serving is over
	died     bool
}

// overseer is what a child's messages and its end go to. The functions are called by several goroutines.
type overseer struct {
	log   hclog.Logger
	obey  func(m *keep.Message)           // does what is asked for by Keep and LetGo
	heard func(c *child, m *keep.Message) // gets any other message
	ended func(c *child, how string)      // is told, once, that it runs no more; all its messages have come before
}

// startChild starts a worker of a program.
func startChild(from *program, settings *logSettings, mountpoint string, over overseer) (*child, error) {
	link, theirs, err := keep.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	command := from.command("worker")
	command.ExtraFiles = []*os.File{theirs}
	settings.bequeath(command)
	command.Args = append(command.Args, "--", mountpoint)
	from.makeRoom(command)
	if err := startServing(command); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a worker: %w", err), link.Close())
	}
	c := &child{pid: command.Process.Pid, link: link, sentinel: -1, command: command, received: make(chan struct{})}
	if c.process, err = unix.PidfdOpen(c.pid, 0); err == nil {
		err = c.watch(over)
	}
	if err != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
		return nil, errors.Join(fmt.Errorf("watching a worker: %w", err), link.Close())
	}
	return c, nil
}

// watch has the child's messages received and its end told.
func (c *child) watch(over overseer) error {
	process, err := unix.FcntlInt(uintptr(c.process), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	go c.receive(over)
	go func() {
		awaitEnd(process)
		_ = unix.Close(process)
		how := "it was another process's child"
		if c.command != nil {
			_ = c.command.Wait()
			how = c.command.ProcessState.String()
		}
		c.tellEnd(over, how)
	}()
	return nil
}

// watchSentinel has the end told also when the process does not go.
func (c *child) watchSentinel(over overseer) {
	copies, err := duplicate(c.process, c.sentinel)
	if err != nil {
		over.log.Warn("whether the worker's threads have ended cannot be watched", "worker", c.pid, "error", err)
		return
	}
	go func() {
		defer closeAll(copies)
		awaitLastStep(c.pid, copies[0], copies[1])
		if !awaitReadable(copies[0], endedSoon) {
			c.tellEnd(over, "killed, with threads that wait inside the kernel")
		}
	}()
}

// duplicate copies descriptors. Negative ones stay so.
func duplicate(descriptors ...int) ([]int, error) {
	copies := make([]int, 0, len(descriptors))
	for _, descriptor := range descriptors {
		if descriptor >= 0 {
			var err error
			if descriptor, err = unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, 0); err != nil {
				closeAll(copies)
				return nil, fmt.Errorf("copying a descriptor: %w", err)
			}
		}
		copies = append(copies, descriptor)
	}
	return copies, nil
}

func closeAll(descriptors []int) {
	for i := range descriptors {
		closeDescriptor(&descriptors[i])
	}
}

// endedSoon is how long a process that runs no more may take to go by itself: most do at once, and then it is known how they ended.
const endedSoon = 20 * time.Millisecond

// receive takes messages until the link ends or is stopped.
func (c *child) receive(over overseer) {
	defer close(c.received)
	for {
		m, err := c.link.Receive()
		ownPulse.Beat()
		if err != nil && !c.goOn(err, over) {
			return
		}
		if err == nil {
			c.hear(&m, over)
		}
	}
}

// goOn says whether to receive again after an error.
func (c *child) goOn(err error, over overseer) bool {
	switch {
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		over.log.Error("an inode without a name is lost if the worker dies: too many files are open", "error", err)
		return true
	case errors.Is(err, unix.EPROTO):
		over.log.Error("the worker said what makes no sense", "worker", c.pid, "error", err)
		return true
	case !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded):
		over.log.Error("the worker cannot be heard", "worker", c.pid, "error", err)
	}
	return false
}

func (c *child) hear(m *keep.Message, over overseer) {
	switch m.Kind {
	case keep.Keep, keep.LetGo:
		over.obey(m)
	default:
		over.heard(c, m)
	}
}

// tellEnd hears what is left to hear, and tells that the process runs no more.
func (c *child) tellEnd(over overseer, how string) {
	c.once.Do(func() {
		c.link.Stop()
		<-c.received
		for {
			m, err := c.link.Rest()
			if err == nil {
				c.hear(&m, over)
			} else if errors.Is(err, unix.EAGAIN) || !c.goOn(err, over) {
				break
			}
		}
		_ = c.link.Close()
		over.ended(c, how)
	})
}

// greet takes what a worker says of itself, and the sentinel that comes with it.
func (c *child) greet(m *keep.Message, over overseer) error {
	var said greeting
	if err := json.Unmarshal(m.Text, &said); err != nil {
		m.Close()
		return fmt.Errorf("reading what a worker says of itself: %w", err)
	}
	c.greeting = &said
	if len(m.Files) > 0 {
		c.sentinel, m.Files = m.Files[0], m.Files[1:]
	}
	m.Close()
	c.watchSentinel(over)
	return nil
}

// kill ends the process at once.
func (c *child) kill() {
	if !c.died { // its descriptor is closed
		_ = unix.PidfdSendSignal(c.process, unix.SIGKILL, nil, 0) // fails when it has ended
	}
}
