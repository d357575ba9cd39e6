package fs

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// errNotAsked says that a request did not reach the helper process, so that nothing was done.
var errNotAsked = errors.New("the process has ended before it was asked")

// errNoAnswer says that what the process was asked to do may be done or not. It is ended, and does nothing any more.
var errNoAnswer = errors.New("no answer")

// helperLink is the connection to one helper process, by which many may ask at once.
type helperLink struct {
	process *os.Process   // immutable
	socket  *os.File      // immutable
	ended   chan struct{} // closed when no answer will come any more
	once    sync.Once     // closes ended

	mu      sync.Mutex
	number  uint64                       // of the last request; guarded by mu
	pending map[uint64]chan helperAnswer // by number; guarded by mu
}

func newHelperLink(process *os.Process, socket *os.File) *helperLink {
	return &helperLink{process: process, socket: socket, ended: make(chan struct{}), pending: make(map[uint64]chan helperAnswer)}
}

// ask returns the answer to a request, or errNotAsked, or another error when the answer will never be known.
func (l *helperLink) ask(request helperRequest, patience time.Duration) (helperAnswer, error) {
	answer := l.expect(&request)
	defer l.forget(request.number)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	if err := l.send(request.encode(), patience); err != nil {
		return helperAnswer{}, err
	}
	select {
	case got := <-answer:
		return got, nil
	case <-l.ended:
	case <-timer.C:
		return helperAnswer{}, fmt.Errorf("%w for %v", errNoAnswer, patience)
	}
	select {
	case got := <-answer: // the last thing it did
		return got, nil
	default:
		return helperAnswer{}, fmt.Errorf("%w: the process has ended", errNoAnswer)
	}
}

// expect gives a request its number and returns where its answer will come.
func (l *helperLink) expect(request *helperRequest) <-chan helperAnswer {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	request.number = l.number
	answer := make(chan helperAnswer, 1)
	l.pending[request.number] = answer
	return answer
}

func (l *helperLink) forget(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, number)
}

// send hands a message over whole or not at all. It waits while the process does not read what it was sent before.
func (l *helperLink) send(message []byte, patience time.Duration) error {
	if err := l.socket.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return errNotAsked // closed
	}
	_, err := l.socket.Write(message)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("it takes no requests for %v", patience)
	case err != nil:
		return errNotAsked
	}
	return nil
}

// receive hands out the answers until the process is gone, or says what makes no sense.
func (l *helperLink) receive() {
	defer l.hangUp()
	buffer := make([]byte, helperMessageSize)
	for {
		n, err := l.socket.Read(buffer)
		if err != nil {
			return
		}
		answer, err := parseHelperAnswer(buffer[:n])
		if err != nil {
			return
		}
		l.mu.Lock()
		if waiting := l.pending[answer.number]; waiting != nil {
			waiting <- answer // has room; whoever waits takes one
			delete(l.pending, answer.number)
		}
		l.mu.Unlock()
	}
}

// hangUp makes the process end when it has done what it was asked to do. No answer is waited for any more.
func (l *helperLink) hangUp() {
	_ = l.socket.Close() // fails when it was closed before
	l.end()
}

// kill ends the process at once.
func (l *helperLink) kill() {
	_ = l.process.Kill() // fails when it has ended
	l.hangUp()
}

// end lets nobody wait any more.
func (l *helperLink) end() { l.once.Do(func() { close(l.ended) }) }
