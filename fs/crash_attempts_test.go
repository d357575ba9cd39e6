//go:build crashpoints

package fs

import (
	"fmt"
	"testing"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// stopAtPoint runs something that never returns from a crash point.
func stopAtPoint(t testing.TB, point string, run func()) {
	t.Helper()
	if !stopsAtPoint(point, run) {
		t.Fatalf("%q was not visited", point)
	}
}

// stopsAtPoint runs something that never returns from a crash point, if it comes to that.
func stopsAtPoint(point string, run func()) (stops bool) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	stop := crashpoint.Watch(func(name string) {
		if name == point {
			close(stopped)
			stayDead()
		}
	})
	defer stop()
	go func() {
		defer close(ended)
		run()
	}()
	select {
	case <-stopped:
		return true
	case <-ended:
		return false
	}
}

// dieAt sends a request, at a crash point of which the process dies. Nobody goes on yet.
func (m *mortal) dieAt(point string, request message) message {
	m.t.Helper()
	m.unique += 2
	request.unique = m.unique
	m.write(request)
	stopAtPoint(m.t, point, func() { m.step() })
	m.bury()
	return request
}

// again has a request come again, and returns the reply.
func (m *mortal) again(request message) (int32, []byte) {
	m.t.Helper()
	request.unique |= resent
	m.write(request)
	if !m.step() {
		m.t.Fatalf("opcode %d was not decoded", request.opcode)
	}
	return m.answerTo(request.unique)
}

func makeDirectory(name string) message {
	return message{opcode: opMkdir, node: 1, body: append(words(0o777, 0), zeroEnded(name)...)}
}

var rootAttributes = message{opcode: opGetattr, node: 1, body: make([]byte, 16)}

// attemptRows is how many rows there are, and how many of them are in use.
func (m *mortal) attemptRows() (all, used int) {
	for _, values := range m.f.state.attempts.Each {
		all++
		if values[attemptRequest] != 0 {
			used++
		}
	}
	return all, used
}

// Requests that were answered when a process died leave nothing behind, however many die, and wherever.
func TestCrashAttemptsDoNotPileUp(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	for death := range 12 {
		request := m.dieAt("fs: a reply is sent", makeDirectory(fmt.Sprint("directory", death)))
		m.begin()
		if errno, body := m.answerTo(request.unique); errno != 0 {
			t.Fatalf("MKDIR: errno %d", -errno)
		} else {
			m.learn(body)
		}
		for range death % 3 { // others that come to serve nothing, or to no more than dropping a row
			m.bury()
			m.begin()
		}
		if death%4 == 3 {
			m.dieAt("fs: an attempt that was answered counts no more", rootAttributes)
			m.begin()
			if errno, _ := m.again(message{unique: m.unique, opcode: opGetattr, node: 1, body: make([]byte, 16)}); errno != 0 {
				t.Fatalf("GETATTR that comes again: errno %d", -errno)
			}
		}
		if errno, _ := m.ask(rootAttributes); errno != 0 {
			t.Fatalf("GETATTR: errno %d", -errno)
		}
		if all, used := m.attemptRows(); used != 0 || all > 2 {
			t.Fatalf("after %d deaths %d of %d rows are in use", death+1, used, all)
		}
		if made := len(m.f.requests.byRequest); made != 0 {
			t.Fatalf("%d handles are kept for requests that were answered", made)
		}
	}
}

// What comes again is known until it is answered, whatever is served meanwhile, and what was refused and answered is not mistaken for it.
func TestCrashAttemptOutlivesOthers(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	first := m.dieAt("fs: a reply is due", makeDirectory("first"))
	m.begin()
	request := first
	request.unique |= resent
	m.write(request)
	stopAtPoint(t, "fs: a reply is due", func() { m.step() }) // it was read, and is not answered
	if errno, _ := m.ask(rootAttributes); errno != 0 {
		t.Fatalf("GETATTR: errno %d", -errno)
	}
	if _, used := m.attemptRows(); used != 1 {
		t.Fatalf("%d rows are in use while a request that came again is served", used)
	}
	m.bury()
	m.begin()
	errno, body := m.again(first)
	if errno != 0 {
		t.Fatalf("MKDIR that comes again: errno %d", -errno)
	}
	m.learn(body)
	if errno, _ := m.ask(makeDirectory("first")); errno != -int32(unix.EEXIST) {
		t.Errorf("MKDIR of another: errno %d", -errno)
	}
	if _, used := m.attemptRows(); used != 0 {
		t.Errorf("%d rows are in use", used)
	}
}
