package fs

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// maxIdle is how many goroutines at most wait for requests; whoever finds that many waiting ends after its request. Two serve
// a client that asks one thing after the other without starting any; more of them only wake more processors.
const maxIdle = 2

// Serve reads and answers requests until the file system is unmounted (nil) or the device fails.
func (f *Filesystem) Serve() error {
	if f.attempts.start > 1 {
		if err := f.notifyResend(); err != nil {
			return err
		}
		f.wakePollers()
		go f.forgetDoubtful()
		f.lookForLeftBehind()
	}
	f.spawnReader()
	f.readers.Wait()
	if err := f.broken.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *Filesystem) spawnReader() {
	f.idle.Add(1)
	f.readers.Go(f.read)
}

// read serves requests one after the other. Whoever leaves none waiting starts another reader first, so that a request that
// takes its time, or waits, holds up none behind it.
func (f *Filesystem) read() {
	for {
		request, err := f.next()
		f.pulse.Beat()
		if err != nil {
			if f.goOn(err) {
				continue
			}
			f.idle.Add(-1)
			return
		}
		if f.handingOver.Load() {
			select {} // it comes again, to the next process
		}
		if f.idle.Add(-1) == 0 {
			f.spawnReader()
		}
		f.serve(request)
		f.pulse.Beat() // serving may have been waiting
		if !f.waitAgain() {
			return
		}
	}
}

// readOne reads and decodes one request. bazil's decoder takes some bounds on trust; what no kernel sends must not end the mount.
func (f *Filesystem) readOne() (request fuse.Request, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			request, err = nil, fmt.Errorf("decoding a message: %v", cause)
		}
	}()
	return f.conn.ReadRequest()
}

// waitAgain counts the goroutine among those that wait, unless there are enough. It must be one step: whoever counted itself
// first and then changed its mind would have been relied upon in between.
func (f *Filesystem) waitAgain() bool {
	for {
		idle := f.idle.Load()
		if idle >= maxIdle {
			return false
		}
		if f.idle.CompareAndSwap(idle, idle+1) {
			return true
		}
	}
}

// goOn decides after a failed read whether to read again.
func (f *Filesystem) goOn(err error) bool {
	if errors.Is(err, io.EOF) { // unmounted
		f.endWaits()
		return false
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		f.log.Error("the kernel sent a message that cannot be decoded", "reason", err)
		return true
	}
	switch errno {
	case unix.ENOENT, unix.EINTR, unix.EAGAIN: // the request was interrupted before it was read
		return true
	case unix.ENODEV, unix.ECONNABORTED: // the latter when the end comes between taking a request and having read it
		f.endWaits() // nobody is left to wait for an answer
		return false
	}
	err = fmt.Errorf("reading requests: %w", err)
	f.broken.Store(&err)
	f.endWaits()
	return false
}

// endWaits ends whatever waits: for others, and for its turn.
func (f *Filesystem) endWaits() {
	f.endParks()
	f.inflight.interruptAll()
}

// serve answers one request, or has it wait for its turn.
func (f *Filesystem) serve(request fuse.Request) {
	id := request.Hdr().ID
	switch r := request.(type) {
	case *fuse.InterruptRequest:
		f.interrupt(r)
		return
	case *fuse.ForgetRequest:
		f.forget(uint64(r.Node), r.N)
		r.Respond()
		return
	case *fuse.BatchForgetRequest:
		for _, one := range r.Forget {
			f.forget(uint64(one.NodeID), one.N)
		}
		r.Respond()
		return
	}
	one := turn{request: request, kernelNode: uint64(request.Hdr().Node), kind: kindOfRequest(request), began: f.meter.Begin()}
	f.inflight.begin(id)
	f.semaphores.heard(request)
	request.Hdr().Node = f.semaphores.resolve(request.Hdr().Node)
	one.line, one.limited = f.lineOf(request)
	f.serveInTurn(one)
}
