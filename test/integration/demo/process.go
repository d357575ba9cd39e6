package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long a program may take to end after SIGTERM before it is killed.
const grace = 20 * time.Second

// process is a running example program.
type process struct {
	command *exec.Cmd
	ready   chan struct{} // closed when it said that it is ready, or ended
	ended   chan struct{} // closed when everything it said is in said
	said    []string      // lines of its stderr; read only after ended
	count   func() (uint64, error)
}

// startProcess starts a program. With a counter its system calls are counted. It is sent SIGTERM when ctx ends.
func startProcess(ctx context.Context, arguments []string, counting counter) (*process, error) {
	if counting != nil {
		arguments = counting.wrap(arguments)
	}
	p := &process{ready: make(chan struct{}), ended: make(chan struct{})}
	p.command = exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	p.command.Cancel = func() error { return p.command.Process.Signal(unix.SIGTERM) }
	p.command.WaitDelay = grace
	stderr, err := p.command.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	reader, release, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer release.Close() // a program that was not released sees the end of its input, and ends
	p.command.Stdin = reader
	err = p.command.Start()
	reader.Close()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", arguments[0], err)
	}
	go p.listen(stderr)
	if counting == nil {
		return p, nil
	}
	if p.count, err = counting.begin(p.command.Process.Pid, release); err != nil {
		release.Close()
		_ = p.wait() // it ends by itself, and fails
		return nil, err
	}
	return p, nil
}

func (p *process) listen(stderr io.Reader) {
	defer close(p.ended)
	isReady := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		p.said = append(p.said, lines.Text())
		if !isReady && strings.HasSuffix(lines.Text(), ": ready") {
			isReady = true
			close(p.ready)
		}
	}
	if !isReady {
		close(p.ready)
	}
}

// wait returns when the process has ended. Its error contains what the process said.
func (p *process) wait() error {
	<-p.ended
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(p.command.Args, " "), err, strings.Join(p.said, "\n"))
	}
	return nil
}

// clock returns the monotonic time, in seconds, that the process reported after the words given ("began at").
func (p *process) clock(words string) (float64, bool) {
	for _, line := range p.said {
		_, number, found := strings.Cut(line, words+" ")
		var seconds float64
		if !found {
			continue
		}
		if _, err := fmt.Sscan(number, &seconds); err == nil {
			return seconds, true
		}
	}
	return 0, false
}
