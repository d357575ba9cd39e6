package differential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// patience is how long one call may take before its worker counts as hanging.
const patience = 30 * time.Second

// errHung says that a worker did not answer; its process may not even be killable.
var errHung = errors.New("the call hangs")

// process is a worker as the test sees it. Not for concurrent use.
type process struct {
	command *exec.Cmd
	asking  *json.Encoder
	input   io.Closer
	output  *os.File
	answers *json.Decoder
	stderr  bytes.Buffer
}

// startProcess starts this binary again as a worker.
func startProcess(told lie) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the test binary: %w", err)
	}
	p := &process{command: exec.Command(self)}
	// The Go runtime interrupts long calls of its own accord, which would cut transfers short at random; a worker has one
	// goroutine and needs none of that.
	p.command.Env = append(os.Environ(), workerVariable+"=1", lieVariable+"="+string(told), "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=1",
		"GORACE=atexit_sleep_ms=0") // with the race detector, each exit would otherwise take a second
	p.command.Stderr = &p.stderr
	input, err := p.command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making a worker's input: %w", err)
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a worker's output: %w", err)
	}
	p.command.Stdout = theirs
	err = p.command.Start()
	_ = theirs.Close()
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	p.input, p.output = input, ours
	p.asking, p.answers = json.NewEncoder(input), json.NewDecoder(ours)
	return p, nil
}

// ask has the worker do one thing. It fails with errHung when the worker does not answer in time, and with another error when
// the worker died; the process is of no further use then.
func (p *process) ask(asked request) (response, error) {
	var answer response
	if err := p.asking.Encode(asked); err != nil {
		return answer, p.died(err)
	}
	if err := p.output.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return answer, fmt.Errorf("setting a worker's deadline: %w", err)
	}
	err := p.answers.Decode(&answer)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return answer, errHung
	case err != nil:
		return answer, p.died(err)
	}
	return answer, nil
}

func (p *process) died(cause error) error {
	_ = p.input.Close()
	_ = p.command.Process.Kill()
	state := p.command.Wait()
	return fmt.Errorf("the worker died (%v, %w)\n%s", state, cause, p.stderr.Bytes())
}

// stop ends the worker: it exits when its input ends.
func (p *process) stop() error {
	_ = p.input.Close()
	done := make(chan error, 1)
	go func() { done <- p.command.Wait() }()
	select {
	case err := <-done:
		_ = p.output.Close()
		return err
	case <-time.After(patience):
		_ = p.command.Process.Kill()
		return fmt.Errorf("worker %d: %w", p.command.Process.Pid, errHung)
	}
}
