package conformance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// stepVariable names the environment variable that tells a run of the test binary which step it is.
const stepVariable = "SHMFS_CONFORMANCE_STEP"

// firstInherited is the descriptor number of the first file handed to a step.
const firstInherited = 3

// step is a part of a test that needs a process of its own: another user, a limit, a umask, a working directory, a lock owner.
type step struct{ name string }

var steps = map[string]func(p *process, arguments []string){}

// newStep registers a step; the name has to be unique in the package.
func newStep(name string, body func(p *process, arguments []string)) step {
	if steps[name] != nil {
		panic("two steps are named " + name)
	}
	steps[name] = body
	return step{name}
}

// process is a step's T. Its failures are printed for the test that started it.
type process struct {
	input    *bufio.Reader
	failed   bool
	cleanups []func()
}

func (p *process) Helper() {}

func (p *process) Errorf(format string, arguments ...any) {
	p.failed = true
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
}

func (p *process) Fatalf(format string, arguments ...any) {
	p.Errorf(format, arguments...)
	os.Exit(1)
}

func (p *process) Cleanup(f func()) { p.cleanups = append(p.cleanups, f) }

// say tells the test that the step has come to a point.
func (p *process) say(line string) { fmt.Println(line) }

// hear waits until the test says a line.
func (p *process) hear() string {
	line, err := p.input.ReadString('\n')
	ok(p, err, "waiting for the test")
	return strings.TrimSuffix(line, "\n")
}

// runStep is the step's side: it runs the named body and returns the exit status.
func runStep(name string) int {
	p := &process{input: bufio.NewReader(os.Stdin)}
	body := steps[name]
	if body == nil {
		p.Fatalf("there is no step %q", name)
	}
	body(p, os.Args[1:])
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		p.cleanups[i]()
	}
	if p.failed {
		return 1
	}
	return 0
}

// identity is whom a step runs as. The zero identity is root with no supplementary groups.
type identity struct {
	uid, gid uint32
	groups   []uint32
}

var (
	root  = identity{}
	alice = identity{uid: 4001, gid: 4001}
	bob   = identity{uid: 4002, gid: 4002}
)

// child is a running step.
type child struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
	errors  *bytes.Buffer
	done    bool
}

// run executes the step to its end; what failed in it fails the test.
func (s step) run(t *testing.T, who identity, arguments ...string) {
	t.Helper()
	s.start(t, who, nil, arguments...).wait(t)
}

// start executes the step beside the test, which hands it open files as descriptors from firstInherited on.
func (s step) start(t *testing.T, who identity, inherited []*file, arguments ...string) *child {
	t.Helper()
	c := &child{command: exec.Command("/proc/self/exe", arguments...), errors: &bytes.Buffer{}}
	c.command.Env = append(os.Environ(), stepVariable+"="+s.name)
	c.command.Dir = "/"
	c.command.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: who.uid, Gid: who.gid, Groups: who.groups},
	}
	for _, f := range inherited {
		duplicate, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
		ok(t, err, "duplicating a descriptor for the step")
		handed := os.NewFile(uintptr(duplicate), "inherited")
		defer handed.Close()
		c.command.ExtraFiles = append(c.command.ExtraFiles, handed)
	}
	var err error
	c.input, err = c.command.StdinPipe()
	ok(t, err, "stdin of the step")
	output, err := c.command.StdoutPipe()
	ok(t, err, "stdout of the step")
	c.output = bufio.NewReader(output)
	c.command.Stderr = c.errors
	ok(t, c.command.Start(), "starting the step %q", s.name)
	t.Cleanup(func() { c.end(t) })
	return c
}

// hear waits for the step to say a line.
func (c *child) hear(t *testing.T) string {
	t.Helper()
	line, err := c.output.ReadString('\n')
	if err != nil {
		c.wait(t)
		t.Fatalf("the step ended instead of saying a line")
	}
	return strings.TrimSuffix(line, "\n")
}

// expect waits for the step to say this line.
func (c *child) expect(t *testing.T, want string) {
	t.Helper()
	equal(t, c.hear(t), want, "what the step said")
}

func (c *child) say(t *testing.T, line string) {
	t.Helper()
	_, err := io.WriteString(c.input, line+"\n")
	ok(t, err, "speaking to the step")
}

// wait returns when the step has ended, and fails the test if the step failed.
func (c *child) wait(t *testing.T) {
	t.Helper()
	if c.done {
		return
	}
	c.done = true
	c.input.Close()
	if err := c.command.Wait(); err != nil {
		t.Errorf("in another process (%v):\n%s", err, c.errors)
	}
}

// kill ends the step at once with SIGKILL.
func (c *child) kill(t *testing.T) {
	t.Helper()
	ok(t, c.command.Process.Kill(), "killing the step")
	c.done = true
	_ = c.command.Wait() // it reports the signal just sent
}

// end leaves no process behind when the test stopped early.
func (c *child) end(t *testing.T) {
	if !c.done {
		c.kill(t)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
