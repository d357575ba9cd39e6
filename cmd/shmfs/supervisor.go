package main

import (
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"shmfs/fs"
	"shmfs/fs/keep"
)

// surroundings are what a supervisor lives in. Tests have their own.
type surroundings struct {
	now   func() time.Time
	later func(wait time.Duration, do func()) // has it done, once, when the time has passed; it must not wait itself
	start func(from *program) (*child, error) // starts a worker
}

// supervisor holds what a mount consists of and has a worker serve it: another one when one has died, and one of another program when it
// is told to reload. It does next to nothing itself, so that there is little that could end it.
//
// Everything happens in one goroutine, the loop. Others wait for something and hand the loop what is to be done then; the loop itself
// waits for nothing else, and never for a worker.
type supervisor struct {
	mountpoint string
	device     string // of the mount in the mount table; empty when it is not found there
	settings   *logSettings
	log        hclog.Logger
	manager    *serviceManager
	ready      func() error // tells who waits for the mount, once; nil when nobody does any more

	connection *fs.Connection
	listener   int      // socket to serve metrics on; negative: none
	note       *os.File // nil: none could be made
	holder     keep.Holder
	running    *program // that workers are started from
	path       string   // where the program is on disk

	around  surroundings
	todo    chan func()
	signals chan os.Signal
	over    overseer

	worker   *child // that serves, or is about to; nil while none does
	standby  *child // nil while none is there
	former   *child // the last that handed over
	leaving  map[*child]bool
	restarts uint64
	rapid    int        // deaths in a row that came at once
	reload   *reloading // nil: none is under way
	queue    []string   // requests for reloads that come after it
	outcomes outcomes   // of reloads

	requests int  // how often it was asked to stop
	resumed  bool // the mount was there before; what served it has died
	kept     bool // the mount is left to the service manager, for the next process of the service
	ending   bool // no worker is to be started any more
	finished bool
	result   error
}

func newSupervisor(mountpoint string, settings *logSettings, log hclog.Logger) (*supervisor, error) {
	running, err := ownProgram()
	if err != nil {
		return nil, err
	}
	s := &supervisor{
		mountpoint: mountpoint, settings: settings, log: log, manager: newServiceManager(log), listener: -1, running: running,
		todo: make(chan func()), signals: make(chan os.Signal, 8), leaving: make(map[*child]bool),
	}
	s.over = overseer{
		log:   log,
		obey:  s.obey,
		heard: func(c *child, m *keep.Message) { s.todo <- func() { s.hear(c, m) } },
		ended: func(c *child, how string) { s.todo <- func() { s.bury(c, how) } },
	}
	s.around = surroundings{
		now:   time.Now,
		later: func(wait time.Duration, do func()) { time.AfterFunc(wait, func() { s.todo <- do }) },
		start: func(from *program) (*child, error) { return startChild(from, s.settings, s.mountpoint, s.over) },
	}
	return s, nil
}

// catchSignals must be called before anything is mounted: signals must find it mounted or not begun. They are caught until the process
// ends, so that one more than were needed does not kill it on its last steps. A closed standard error must not end the mount.
func (s *supervisor) catchSignals() {
	signal.Ignore(unix.SIGPIPE)
	signal.Notify(s.signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR2)
}

// mount makes the mount, which nobody serves yet.
func (s *supervisor) mount(options fs.Options, metrics string) error {
	s.log.Info("starting", "version", fs.BuildVersion().String(), "mountpoint", s.mountpoint, "options", options.String())
	if metrics != "" {
		var err error
		if s.listener, err = listenForMetrics(metrics); err != nil {
			s.log.Error("the metrics cannot be served", "error", err)
			return err
		}
	}
	s.makeNote()
	connection, err := fs.Connect(s.mountpoint, options, s.log)
	if err != nil {
		s.removeNote()
		err = mountFailure(s.mountpoint, err)
		s.log.Error("mounting failed", "mountpoint", s.mountpoint, "error", err)
		return err
	}
	s.connection, s.device = connection, deviceAt(s.mountpoint)
	s.fillNote(options)
	s.manager.holdMount(connection)
	s.log.Info("mounted", "mountpoint", s.mountpoint)
	return nil
}

// run has the mount served until it ends. It returns nil when it ended because someone asked for it.
func (s *supervisor) run() error {
	defer s.manager.flush()
	if s.worker == nil {
		s.serve(s.resumed)
	} else {
		s.startStandby()
	}
	s.showLife()
	for !s.finished {
		select {
		case do := <-s.todo:
			do()
		case received := <-s.signals:
			s.signalled(received)
		}
		ownPulse.Beat()
	}
	return s.result
}

// after has the loop do something when a time has passed.
func (s *supervisor) after(wait time.Duration, do func()) { s.around.later(wait, do) }

// obey does what a worker asks for by Keep and LetGo. It may be called by any goroutine.
func (s *supervisor) obey(m *keep.Message) {
	s.manager.follow(m)
	if err := s.holder.Obey(m); err != nil {
		s.log.Error("a worker asked for what makes no sense", "error", err)
	}
}

// hear does what a worker says.
func (s *supervisor) hear(c *child, m *keep.Message) {
	defer m.Close()
	switch m.Kind {
	case keep.Hello:
		if err := c.greet(m, s.over); err != nil {
			s.log.Error("a worker cannot be understood", "worker", c.pid, "error", err)
			c.kill()
			return
		}
		s.greeted(c)
	case keep.Serving:
		s.began(c)
	case keep.Failed:
		s.couldNot(c, fmt.Errorf("%s", m.Text))
	case keep.Ended:
		s.servedOut(c, string(m.Text))
	case keep.HandedOver:
		s.handedOver(c)
	case keep.Reload:
		s.requestReload(string(m.Text))
	default:
		s.log.Error("a worker said what makes no sense", "worker", c.pid, "kind", m.Kind)
	}
}

// send sends to a worker without waiting until it reads, and closes the message's descriptors then. One that cannot be reached is dead or
// will be.
func (s *supervisor) send(c *child, m keep.Message) {
	c.outbox.put(func() {
		defer m.Close()
		if err := c.link.Send(m); err != nil && !keep.Gone(err) {
			s.log.Error("a worker cannot be told", "worker", c.pid, "error", err)
		}
	})
}
