package mappers

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// limit is how long anything in these tests may take before it counts as hanging.
const limit = 40 * time.Second

// program is the built testdata/peer.c.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	directory, err := os.MkdirTemp("", "mappers-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(directory)
	program = filepath.Join(directory, "peer")
	output, err := exec.Command("gcc", "-O2", "-Wall", "-Werror", "-pthread", "-o", program, "testdata/peer.c").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "building testdata/peer.c with gcc: %v: %s\n", err, output)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// peer is another process that maps a file.
type peer struct {
	t       *testing.T
	command *exec.Cmd
	input   io.Closer
	file    File // as it sees it
	thread  int
	process int
}

// inMemory returns a path for a file on a file system of which maps shows the device that stat(2) says, as of a FUSE mount; some disk file
// systems have other ones.
func inMemory(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("/dev/shm", "mappers-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(directory); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(directory, "file (deleted)")
}

// start runs the peer, which is at its task when this returns or about to be.
func start(t *testing.T, path, task string) *peer {
	t.Helper()
	return startBy(t, exec.Command(program, path, task))
}

func startBy(t *testing.T, command *exec.Cmd) *peer {
	t.Helper()
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, command: command, input: input}
	t.Cleanup(p.end)
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("reading what the peer says: %v", err)
	}
	if _, err := fmt.Sscan(line, &p.file.Device, &p.file.Inode, &p.thread, &p.process); err != nil {
		t.Fatalf("the peer says %q: %v", line, err)
	}
	return p
}

// end ends the process and waits until it is gone.
func (p *peer) end() {
	if p.input == nil {
		return
	}
	_ = p.input.Close()
	p.input = nil
	if err := p.command.Wait(); err != nil {
		p.t.Errorf("the peer: %v", err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so within %v", what, limit)
		}
	}
}
