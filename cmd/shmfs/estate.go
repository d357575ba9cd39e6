package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"shmfs/fs"
	"shmfs/fs/keep"
)

// What the processes of a mount tell one another, as JSON: a program of another version takes what it knows of it.

// linkDescriptor is a process's end of the link to the one that started it: the first behind the standard streams.
const linkDescriptor = 3

// greeting is what a worker says of itself when it is started.
type greeting struct {
	Version string // of the program
	Record  int    // the form of the record that it writes
	Oldest  int    // the oldest form that it reads
}

func ownGreeting() greeting {
	return greeting{Version: fs.BuildVersion().String(), Record: fs.RecordForm, Oldest: fs.OldestRecordForm}
}

// accepts returns why a program cannot go on with what one of another version has written, or nil.
func (g *greeting) accepts(written int) error {
	if written < g.Oldest || written > g.Record {
		return fmt.Errorf("version %s reads records of the forms %d to %d, the mount has %d", g.Version, g.Oldest, g.Record, written)
	}
	return nil
}

// estate is what a mount is besides its descriptors, as one process leaves it to another.
type estate struct {
	Device     string // of the mount in the mount table; empty: not known
	Program    string // where the program is on disk
	Supervisor int    // process
	Restarts   uint64
	Outcomes   outcomes

	Metrics bool   // a listening socket for metrics is among the descriptors, behind the three of the connection
	Note    string // path of the mount's note, whose descriptor comes after that; empty: there is none
	Died    bool   // to a worker: the one before has died
	Relay   relay
	Reload  reloadOutcome // to a worker: what it has come to when this one serves; no state: it is not the one that a reload is about

	Worker     int      // to a supervisor: the process that serves; a descriptor of it comes next
	Sentinel   bool     // to a supervisor: a descriptor of its sentinel comes after that
	Greeting   greeting // to a supervisor: of that process
	HandedOver bool     // to a supervisor: it serves no more
}

// relay is how a worker takes the mount from another that hands over. Both get a baton, of which there is one: should the supervisor die
// meanwhile, the one that has it goes on, and the other ends. Only when the one before has ended, whose threads may still be reading, the
// next serves.
type relay struct {
	Worker   int  // process of the one before; 0: there is no relay
	Sentinel bool // behind the baton and a descriptor of that process comes one of its sentinel
}

// connectionFiles is how many descriptors a connection has.
const connectionFiles = 3

// connectionOf makes a connection of the descriptors of a message, which it takes out of it.
func connectionOf(m *keep.Message) (*fs.Connection, error) {
	if len(m.Files) < connectionFiles {
		return nil, fmt.Errorf("a mount of %d descriptors: %w", len(m.Files), unix.EPROTO)
	}
	files := m.Files[:connectionFiles]
	m.Files = m.Files[connectionFiles:]
	return &fs.Connection{
		Device: os.NewFile(uintptr(files[0]), "/dev/fuse"),
		Store:  os.NewFile(uintptr(files[1]), "store"),
		Record: os.NewFile(uintptr(files[2]), "record"),
	}, nil
}

// take takes the next descriptor out of a message.
func take(m *keep.Message, of string) (int, error) {
	if len(m.Files) == 0 {
		return -1, fmt.Errorf("no descriptor of the %s came: %w", of, unix.EPROTO)
	}
	descriptor := m.Files[0]
	m.Files = m.Files[1:]
	return descriptor, nil
}

// belongings are the descriptors of a mount besides those of its connection.
type belongings struct {
	listener int      // socket to serve metrics on; negative: none
	note     *os.File // nil: none
}

// leave makes the message that leaves a mount to another process, with more descriptors behind those of the mount; negative ones are
// left out.
func (e *estate) leave(kind keep.Kind, connection *fs.Connection, has belongings, more ...int) (keep.Message, error) {
	e.Metrics = has.listener >= 0
	noted := -1
	if has.note != nil {
		e.Note, noted = has.note.Name(), int(has.note.Fd())
	}
	text, err := json.Marshal(e)
	if err != nil {
		return keep.Message{}, fmt.Errorf("writing down a mount: %w", err)
	}
	m := keep.Message{Kind: kind, Text: text}
	for _, file := range []*os.File{connection.Device, connection.Store, connection.Record} {
		m.Files = append(m.Files, int(file.Fd()))
	}
	for _, descriptor := range append([]int{has.listener, noted}, more...) {
		if descriptor >= 0 {
			m.Files = append(m.Files, descriptor)
		}
	}
	return m, nil
}

// inherit reads such a message. The descriptors that follow are still the message's.
func inherit(m *keep.Message) (e estate, connection *fs.Connection, has belongings, err error) {
	has.listener = -1
	if err := json.Unmarshal(m.Text, &e); err != nil {
		return e, nil, has, fmt.Errorf("reading what a mount is: %w", err)
	}
	if connection, err = connectionOf(m); err != nil {
		return e, nil, has, err
	}
	if e.Metrics {
		has.listener, err = take(m, "listening socket")
	}
	if err == nil && e.Note != "" {
		var noted int
		if noted, err = take(m, "note"); err == nil {
			has.note = os.NewFile(uintptr(noted), e.Note)
		}
	}
	if err != nil {
		closeDescriptor(&has.listener)
		return e, nil, has, errors.Join(err, connection.Close())
	}
	return e, connection, has, nil
}
