package semfs

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// remoteMemory is a semaphore that another process would be asked about. A call that has a gate says so and waits until the gate is
// opened.
type remoteMemory struct {
	mu    sync.Mutex
	value uint32
	stamp uint32
	gates map[string]*gate
	fails error // of what adds units
}

// gate holds up the next call.
type gate struct{ reached, opened chan struct{} }

func newRemoteMemory(value uint32) *remoteMemory {
	return &remoteMemory{value: value, gates: make(map[string]*gate)}
}

// hold makes the next such call wait.
func (m *remoteMemory) hold(call string) *gate {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gates[call] = &gate{make(chan struct{}), make(chan struct{})}
	return m.gates[call]
}

func (m *remoteMemory) pass(call string) {
	m.mu.Lock()
	gate := m.gates[call]
	delete(m.gates, call)
	m.mu.Unlock()
	if gate != nil {
		close(gate.reached)
		<-gate.opened
	}
}

func (m *remoteMemory) State() (State, error) {
	m.pass("State")
	m.mu.Lock()
	defer m.mu.Unlock()
	return State{Layout: Glibc, Value: m.value}, nil
}

func (m *remoteMemory) Change(kind Kind, units uint32, intend func(stamp uint32) error) (moved uint32, err error) {
	calls := map[Kind]string{Post: "Post", Release: "Post", Return: "Post", Take: "Take", Acquire: "Take", Set: "Set"}
	m.pass(calls[kind])
	m.mu.Lock()
	defer m.mu.Unlock()
	if intend != nil {
		if err := intend(m.stamp + 1); err != nil {
			return 0, err
		}
	}
	if calls[kind] == "Post" && m.fails != nil {
		return 0, m.fails
	}
	after, moved, err := kind.next(Glibc, makeWords(m.value, 0), units)
	if err != nil {
		return 0, fmt.Errorf("changing far away: %w", err)
	}
	m.value, m.stamp = Glibc.value(after), m.stamp+1
	return moved, nil
}

func (m *remoteMemory) Settle(stamp uint32) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stamp == stamp, nil
}

// Everything works far away but waiting, and what is asked without waiting is answered as anywhere.
func TestRemoteOperator(t *testing.T) {
	operator := NewRemoteOperator(newRemoteMemory(3), nil)
	client := operator.NewClient(0)
	patient, hasty := Conditions{Process: 7, BeforeWait: func() error { t.Error("it waits"); return nil }}, Conditions{NonBlocking: true}
	wantDone(t, client, "wait\ntimedwait 5\nacquire\n", patient)
	wantReport(t, operator, 0, 0, Holder{Process: 7, Units: 1})
	for _, command := range []string{"wait", "acquire", "acquire 2", "timedwait 9", "timedacquire 9"} {
		wantRefused(t, client, command, patient, unix.EOPNOTSUPP)
		wantRefused(t, client, command, hasty, unix.EAGAIN)
	}
	wantRefused(t, client, "trywait", patient, unix.EAGAIN)
	wantRefused(t, client, "timedwait 0", patient, unix.ETIMEDOUT)
	wantRefused(t, client, "release 2", patient, unix.EPERM)
	wantRefused(t, client, "nonsense", patient, unix.EINVAL)
	wantDone(t, client, "post 2\nrelease\nacquire 3\nset 5\n", patient)
	wantReport(t, operator, 5, 0, Holder{Process: 7, Units: 3})
	wantRefused(t, client, "post 2147483647", patient, unix.EOVERFLOW)
	if readable, err := operator.Poll(0, 1, func() { t.Error("told") }); readable || !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("Poll: %v, %v, want EOPNOTSUPP", readable, err)
	}
	operator.Unpoll(1)
	wantNoError(t, "Close", client.Close())
	wantReport(t, operator, 8, 0)
	operator.Close()
}

// What could not be given back stays held; at the end it is lost, and the error says so.
func TestRemoteReleaseFails(t *testing.T) {
	memory := newRemoteMemory(3)
	operator := NewRemoteOperator(memory, nil)
	client := operator.NewClient(0)
	wantDone(t, client, "acquire 3", Conditions{Process: 7})
	memory.fails = unix.EIO
	wantRefused(t, client, "release 2", Conditions{Process: 8}, unix.EIO)
	wantReport(t, operator, 0, 0, Holder{Process: 7, Units: 3})
	wantError(t, "Close", client.Close(), unix.EIO)
	wantReport(t, operator, 0, 0)
}

func TestRemoteUnitsComeBackAsFarAsThereIsRoom(t *testing.T) {
	memory := newRemoteMemory(5)
	client := NewRemoteOperator(memory, nil).NewClient(0)
	wantDone(t, client, "acquire 5\nset 2147483645", Conditions{})
	wantError(t, "Close", client.Close(), unix.EOVERFLOW)
	if memory.value != MaxValue {
		t.Errorf("value is %d", memory.value)
	}
}

// While the memory's process does not answer one client, the report is made, and others are told what needs no change. Their changes come
// after.
func TestNothingIsLockedWhileARemoteMemoryIsAsked(t *testing.T) {
	const started = "acquire 2"
	for name, asked := range map[string]struct {
		call string
		do   func(o *Operator, c *Client) error
	}{
		"post":    {"Post", doing("post")},
		"set":     {"Set", doing("set 9")},
		"trywait": {"Take", doing("trywait")},
		"acquire": {"Take", doing("acquire")},
		"release": {"Post", doing("release")},
		"close":   {"Post", func(_ *Operator, c *Client) error { return c.Close() }},
		"report":  {"State", func(o *Operator, _ *Client) error { _, err := o.Report(); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			memory := newRemoteMemory(9)
			operator := NewRemoteOperator(memory, nil)
			held, other := operator.NewClient(0), operator.NewClient(0)
			wantDone(t, held, started, Conditions{Process: 1})
			gate := memory.hold(asked.call)
			done := make(chan error, 1)
			go func() { done <- asked.do(operator, held) }()
			receive(t, "the call", gate.reached)
			others := make(chan error, 1)
			go func() {
				_, err := operator.Report()
				if _, refusal := other.Do([]byte("nonsense"), Conditions{Process: 2}); !errors.Is(refusal, unix.EINVAL) {
					t.Errorf("nonsense: %v, want EINVAL", refusal)
				}
				operator.Unpoll(1)
				if held := other.Held(); held != 0 {
					t.Errorf("the other holds %d", held)
				}
				others <- err
			}()
			wantNoError(t, "what others are told", receive(t, "the others", others))
			go func() {
				_, err := other.Do([]byte("acquire 3\npost\ntrywait\nrelease\n"), Conditions{Process: 2})
				others <- err
			}()
			close(gate.opened)
			wantNoError(t, name, receive(t, "the call", done))
			wantNoError(t, "what others do", receive(t, "the others", others))
			report, err := operator.Report()
			wantNoError(t, "Report", err)
			if last := report.Holders[len(report.Holders)-1]; last != (Holder{Process: 2, Units: 2}) {
				t.Errorf("the other is reported as %+v", last)
			}
			wantNoError(t, "Close", held.Close())
			wantNoError(t, "Close", other.Close())
		})
	}
}

// doing returns what does a command.
func doing(command string) func(*Operator, *Client) error {
	return func(_ *Operator, c *Client) error {
		_, err := c.Do([]byte(command), Conditions{Process: 1})
		return err
	}
}
