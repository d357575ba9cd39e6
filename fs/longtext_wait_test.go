package fs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// makingText is how a test has a text made, again and again.
type makingText struct {
	*servedKernel
	handle uint64
	begun  chan struct{} // one for each that begins
	ends   chan func() []byte
}

// reopenedText opens a text, as if by another process.
func reopenedText(t *testing.T) *makingText {
	k := serve(newLimitedKernel(t, ""))
	m := &makingText{servedKernel: k, begun: make(chan struct{}, 10), ends: make(chan func() []byte, 10)}
	k.f.texts.oblige(mostKeptText)
	m.handle = le.Uint64(k.want(0, k.send(message{opcode: opOpen, node: infoObjects, body: words(unix.O_RDONLY, 0)})).body)
	long := k.f.handles.recorded(m.handle).info.long
	long.mu.Lock()
	defer long.mu.Unlock()
	long.made, long.valid, long.text = false, false, nil
	long.make = func() ([]byte, error) {
		m.begun <- struct{}{}
		if end, more := <-m.ends; more {
			if text := end(); text != nil {
				return text, nil
			}
		}
		return nil, unix.ENOMEM
	}
	t.Cleanup(func() { close(m.ends) }) // that nobody makes one for ever
	return m
}

// read sends a READ of a thread.
func (m *makingText) read(thread uint32) (unique uint64) {
	m.t.Helper()
	return m.send(message{opcode: opRead, pid: thread, node: infoObjects, body: callBody(m.handle, 0, 1<<16)})
}

// waits returns when requests wait for somebody.
func (m *makingText) waits(uniques ...uint64) {
	m.t.Helper()
	eventually(m.t, func() error {
		m.f.inflight.mu.Lock()
		defer m.f.inflight.mu.Unlock()
		for _, unique := range uniques {
			for id, request := range m.f.inflight.byID {
				if uint64(id) == unique && request.interrupted == nil {
					return fmt.Errorf("request %d does not wait", unique)
				}
			}
		}
		if len(m.f.inflight.byID) < len(uniques)+1 {
			return fmt.Errorf("%d requests are served", len(m.f.inflight.byID))
		}
		return nil
	})
}

// interrupt sends INTERRUPT for a request.
func (m *makingText) interrupt(unique uint64) {
	m.t.Helper()
	m.write(message{opcode: opInterrupt, unique: unique + 1, body: le.AppendUint64(nil, unique)})
}

// Who reads a text that another makes waits for it and can be killed meanwhile; another signal does not end the wait. It is made once.
func TestWaitingForATextThatAnotherMakes(t *testing.T) {
	m := reopenedText(t)
	sleeper := exec.Command("/bin/cat")
	input, err := sleeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() { // its status is that of the kill
		_ = sleeper.Process.Kill()
		_ = sleeper.Wait()
		_ = input.Close()
	})
	defer end()
	first := m.read(uint32(os.Getpid()))
	<-m.begun
	own, gone, later := m.read(uint32(os.Getpid())), m.read(ended(t)), m.read(uint32(sleeper.Process.Pid))
	m.waits(own, gone, later)
	for _, unique := range []uint64{own, later, gone} {
		m.interrupt(unique)
	}
	m.want(unix.EINTR, gone)
	m.wantSilent(first, own, later)
	end()
	m.want(unix.EINTR, later)
	m.wantSilent(first, own)
	text := bytes.Repeat([]byte("text"), 1000)
	m.ends <- func() []byte { return text }
	for _, unique := range []uint64{first, own, m.read(0)} {
		if got := m.want(0, unique).body; !bytes.Equal(got, text) {
			t.Errorf("READ has %q", got)
		}
	}
	if again := len(m.begun); again > 0 {
		t.Errorf("the text is made %d times more", again)
	}
}

// Whoever waits makes a text when another has failed to.
func TestMakingATextAgain(t *testing.T) {
	for name, failing := range map[string]struct {
		end  func() []byte
		want unix.Errno
	}{
		"an error": {func() []byte { return nil }, unix.ENOMEM},
		"a panic":  {func() []byte { panic("of a test") }, unix.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			m := reopenedText(t)
			first := m.read(0)
			<-m.begun
			second := m.read(0)
			m.waits(second)
			m.ends <- failing.end
			m.want(failing.want, first)
			<-m.begun
			m.ends <- func() []byte { return []byte("text") }
			if got := m.want(0, second).body; string(got) != "text" {
				t.Errorf("READ has %q", got)
			}
		})
	}
}
