package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	readWrite = unix.PROT_READ | unix.PROT_WRITE
	shared    = unix.MAP_SHARED
	private   = unix.MAP_PRIVATE
)

var mapperDirectory string

var buildMapper = sync.OnceValues(func() (string, error) {
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		return "", errors.New("the mapping tests need a C compiler: install gcc and libc6-dev")
	}
	mapperDirectory, err = os.MkdirTemp("", "shmfs-mapper-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(mapperDirectory, "mapper")
	source := filepath.Join("testdata", "mapper.c")
	output, err := exec.Command(compiler, "-O1", "-Wall", "-Werror", "-o", path, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("compiling %s: %w\n%s", source, err, output)
	}
	return path, nil
})

// removeMapper deletes what buildMapper made.
func removeMapper() error {
	if mapperDirectory == "" {
		return nil
	}
	return os.RemoveAll(mapperDirectory)
}

func mapperBinary(t *testing.T) string {
	t.Helper()
	path, err := buildMapper()
	ok(t, err, "building the mapper")
	return path
}

// mapper is a running mapper process. Its slots of descriptors and mappings are numbered from 0.
type mapper struct {
	t       *testing.T
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
	errors  bytes.Buffer
	ended   bool
}

func startMapper(t *testing.T) *mapper {
	t.Helper()
	m := &mapper{t: t, command: exec.Command(mapperBinary(t))}
	var err error
	m.input, err = m.command.StdinPipe()
	ok(t, err, "stdin of the mapper")
	output, err := m.command.StdoutPipe()
	ok(t, err, "stdout of the mapper")
	m.output = bufio.NewReader(output)
	m.command.Stderr = &m.errors
	ok(t, m.command.Start(), "starting the mapper")
	t.Cleanup(m.end)
	return m
}

// end ends the mapper, which it does by itself when nothing more is to come.
func (m *mapper) end() {
	if m.ended {
		return
	}
	m.ended = true
	m.input.Close()
	if err := m.command.Wait(); err != nil {
		m.t.Errorf("the mapper ended badly: %v\n%s", err, m.errors.String())
	}
}

// begin sends a command whose answer is taken later with finish.
func (m *mapper) begin(format string, arguments ...any) {
	m.t.Helper()
	_, err := fmt.Fprintf(m.input, format+"\n", arguments...)
	ok(m.t, err, "commanding the mapper")
}

func (m *mapper) finish() string {
	m.t.Helper()
	line, err := m.output.ReadString('\n')
	if err != nil {
		m.end() // its errors are complete once it has ended
		m.t.Fatalf("the mapper ended instead of answering: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

// expect sends a command and requires this answer.
func (m *mapper) expect(want, format string, arguments ...any) {
	m.t.Helper()
	m.begin(format, arguments...)
	if got := m.finish(); got != want {
		m.t.Errorf("mapper: %s: %s, want %s", fmt.Sprintf(format, arguments...), got, want)
	}
}

// refuses sends a command and requires that it fails with this errno.
func (m *mapper) refuses(want unix.Errno, format string, arguments ...any) {
	m.t.Helper()
	m.expect(fmt.Sprintf("errno %d", int(want)), format, arguments...)
}

// open opens a file in the descriptor's slot.
func (m *mapper) open(slot int, path string, flags int) {
	m.t.Helper()
	m.expect("ok", "open %d %s %d 0", slot, path, flags)
}

// mapFile opens the file in slot 0 for reading and writing and maps it shared in slot 0.
func (m *mapper) mapFile(path string, length int) {
	m.t.Helper()
	m.open(0, path, unix.O_RDWR)
	m.expect("ok", "map 0 0 %d %d %d 0", length, readWrite, shared)
}

func (m *mapper) load(slot, offset, want int) {
	m.t.Helper()
	m.expect(fmt.Sprintf("value %d", want), "load %d %d", slot, offset)
}

func (m *mapper) store(slot, offset, value int) {
	m.t.Helper()
	m.expect("ok", "store %d %d %d", slot, offset, value)
}

// faults requires that both reading and writing there raise this signal.
func (m *mapper) faults(signal string, slot, offset int) {
	m.t.Helper()
	m.expect(signal, "load %d %d", slot, offset)
	m.expect(signal, "store %d %d 1", slot, offset)
}
