package main

import (
	"errors"

	"shmfs/fs/keep"
	"shmfs/mmapcore/crashpoint"
)

// heard is what comes from the supervisor; an error is the end of the link.
type heard struct {
	message keep.Message
	err     error
}

// serve serves the mount until it ends or another worker goes on.
func (w *worker) serve() error {
	crashpoint.Here("shmfs: a worker is about to serve")
	defer close(w.over)
	served, handed, followed := make(chan error, 1), make(chan struct{}), make(chan struct{}, 1)
	go func() { served <- w.filesystem.Serve() }()
	w.tell(keep.Message{Kind: keep.Serving})
	told := w.listen()
	for {
		select {
		case err := <-served:
			if w.baton < 0 {
				return w.finish(err)
			}
			served = nil // it has been told to
		case got := <-told:
			switch {
			case got.err != nil:
				told, w.orphaned = nil, true
				if w.baton >= 0 && !w.handed {
					break // there is no way back from that: first it has to be done
				}
				if w.handed && !w.takeTurn() {
					return nil // another goes on
				}
				go w.follow(followed)
			case got.message.Kind == keep.Leave:
				return nil
			case got.message.Kind == keep.HandOver:
				if err := w.handOver(&got.message, handed); err != nil {
					return err
				}
			default:
				w.obey(&got.message)
			}
		case <-handed:
			handed, w.handed = nil, true
			crashpoint.Here("shmfs: a worker serves no more")
			if !w.orphaned {
				w.tell(keep.Message{Kind: keep.HandedOver})
				break
			}
			if !w.takeTurn() {
				return nil // another goes on
			}
			go w.follow(followed)
		case <-followed:
			w.orphaned = false
			told = w.listen()
		}
	}
}

// tell tells the supervisor. If it is gone, its successor will be told what matters of it.
func (w *worker) tell(m keep.Message) {
	w.mu.Lock()
	link := w.link
	w.mu.Unlock()
	if err := link.Send(m); err != nil && !keep.Gone(err) {
		w.log.Error("the supervisor cannot be told", "error", err)
	}
}

// listen passes on what the supervisor says until it is gone.
func (w *worker) listen() <-chan heard {
	w.mu.Lock()
	link := w.link
	w.mu.Unlock()
	told := make(chan heard)
	go func() {
		for {
			m, err := link.Receive()
			ownPulse.Beat()
			select {
			case told <- heard{m, err}:
			case <-w.over:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return told
}

// obey does what a supervisor says that does not end the serving.
func (w *worker) obey(m *keep.Message) {
	defer m.Close()
	if m.Kind != keep.Outcome {
		w.log.Error("the supervisor said what makes no sense", "kind", m.Kind)
		return
	}
	if err := w.readOutcome(m.Text); err != nil {
		w.log.Error("the supervisor cannot be understood", "error", err)
	}
}

// takeTurn says whether this worker, which serves no more, is the one that goes on when its supervisor has died.
func (w *worker) takeTurn() bool {
	w.turn = w.turn || takeBaton(w.baton)
	return w.turn
}

// handOver stops serving, so that another worker can go on. A supervisor whose predecessor died before that gives another baton.
func (w *worker) handOver(m *keep.Message, handed chan<- struct{}) error {
	defer m.Close()
	baton, err := take(m, "baton")
	if err != nil {
		return err
	}
	closeDescriptor(&w.baton)
	w.baton, w.turn = baton, false
	if w.handed {
		w.tell(keep.Message{Kind: keep.HandedOver})
		return nil
	}
	go func() {
		if w.metrics != nil {
			w.metrics.stop()
		}
		w.filesystem.HandOver()
		close(handed)
	}()
	return nil
}

// finish closes the account when the mount has ended.
func (w *worker) finish(err error) error {
	if w.metrics != nil {
		_ = w.metrics.close()
	}
	err = errors.Join(err, w.filesystem.Close(), w.connection.Close())
	m := keep.Message{Kind: keep.Ended}
	if err != nil {
		m.Text = textOf(err)
	}
	w.mu.Lock()
	link := w.link
	w.mu.Unlock()
	if link.Send(m) == nil {
		return err
	}
	// Nobody else takes away what may be left.
	w.keeper.manager.letGoMount()
	w.keeper.manager.flush()
	if w.note != nil {
		removeNote(w.note)
	}
	return errors.Join(err, startDetach(w.mountpoint, "--dead"))
}
