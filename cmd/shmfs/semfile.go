package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// semaphore is a named semaphore as the command line sees it: the file that stands for it, which need not exist.
type semaphore struct {
	name  string // as sem_open has it, without the slash
	mount string // directory
}

func (s semaphore) path() string {
	return s.mount + "/" + semaphorePrefix + s.name
}

// semaphoreFile is an open semaphore. What it has acquired comes back when it is closed. It may be used by one goroutine at
// a time; the descriptor is no os.File, so that Go's poller does not poll it.
type semaphoreFile struct {
	semaphore
	descriptor int
	write      func(descriptor int, text []byte) (int, error) // unix.Write, which a test may replace
}

// open opens the semaphore with the flags of open(2). The descriptor is not inherited by children.
func (s semaphore) open(flags int) (*semaphoreFile, error) {
	if err := s.requireRegular(); err != nil {
		return nil, err
	}
	return s.openAs(flags, 0)
}

func (s semaphore) openAs(flags int, mode uint32) (*semaphoreFile, error) {
	for {
		descriptor, err := unix.Open(s.path(), flags|unix.O_CLOEXEC, mode)
		if err == nil {
			return &semaphoreFile{semaphore: s, descriptor: descriptor, write: unix.Write}, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, s.refusal(err)
		}
	}
}

// requireRegular refuses what bears the name of a semaphore and is none: opening a FIFO would wait for ever.
func (s semaphore) requireRegular() error {
	var found unix.Stat_t
	if err := unix.Stat(s.path(), &found); err != nil {
		return s.refusal(err)
	}
	if found.Mode&unix.S_IFMT != unix.S_IFREG {
		return failure(exitFailure, "%s is no semaphore but a directory or special file: give another name", s.path())
	}
	return nil
}

func (f *semaphoreFile) close() error {
	return unix.Close(f.descriptor)
}

// openToOperate opens the semaphore for commands. What is no semaphore to the daemon is refused: a daemon of an older version
// would take the commands as the content of a plain file, and a lock that does not lock is worse than none. Who may only
// write cannot look.
func (s semaphore) openToOperate() (*semaphoreFile, error) {
	file, err := s.open(unix.O_RDWR)
	if errors.Is(err, unix.EACCES) {
		return s.open(unix.O_WRONLY)
	}
	if err != nil {
		return nil, err
	}
	start := make([]byte, len(textStart))
	count, err := unix.Pread(file.descriptor, start, 0) // leaves the position
	for errors.Is(err, unix.EINTR) {
		count, err = unix.Pread(file.descriptor, start, 0)
	}
	switch {
	case err != nil:
		err = s.refusal(err)
	case string(start[:count]) != textStart:
		err = s.noSemaphores()
	default:
		return file, nil
	}
	_ = file.close()
	return nil, err
}

// command has the daemon do one command of the text protocol and returns when it is done. What interrupts the wait for it
// without ending the program (Go's own signals too) only makes it begin anew.
func (f *semaphoreFile) command(text string) error {
	for {
		if err := f.once(text); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// once writes one command. The error is the daemon's errno.
func (f *semaphoreFile) once(text string) error {
	line := text + "\n"
	written, err := f.write(f.descriptor, []byte(line))
	if err != nil {
		return err
	}
	if written != len(line) {
		return fmt.Errorf("it took only %d bytes of %q", written, text)
	}
	return nil
}

// take waits for units with one of the commands wait and acquire, whose arguments follow the verb, and for no longer than
// the limit, if there is one: then the error is ETIMEDOUT.
func (f *semaphoreFile) take(verb, arguments string, limit timeLimit) error {
	if !limit.given {
		return f.command(verb + arguments)
	}
	deadline := time.Now().Add(limit.duration)
	for left := limit.duration; ; left = time.Until(deadline) {
		err := f.once("timed" + verb + " " + secondsOf(left) + arguments)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// text reads what the file shows.
func (f *semaphoreFile) text() (string, error) {
	text, err := io.ReadAll(descriptorReader(f.descriptor))
	return string(text), err
}

// descriptorReader reads a descriptor from its position on.
type descriptorReader int

func (d descriptorReader) Read(buffer []byte) (int, error) {
	for {
		count, err := unix.Read(int(d), buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case count == 0:
			return 0, io.EOF
		}
		return count, nil
	}
}

// operate opens a semaphore for writing, has one command done and closes it.
func (s semaphore) operate(text string) error {
	file, err := s.openToOperate()
	if err != nil {
		return err
	}
	defer file.close()
	if err := file.command(text); err != nil {
		return s.refusal(err)
	}
	return nil
}

// state reads what the semaphore's file tells.
func (s semaphore) state() (semaphoreState, error) {
	text, err := s.read()
	if err != nil {
		return semaphoreState{}, err
	}
	state, err := parseSemaphore(text)
	if err != nil {
		return semaphoreState{}, s.noSemaphores()
	}
	return state, nil
}

func (s semaphore) read() (string, error) {
	file, err := s.open(unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer file.close()
	text, err := file.text()
	if err != nil {
		return "", s.refusal(err)
	}
	return text, nil
}
