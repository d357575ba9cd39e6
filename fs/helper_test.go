package fs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"shmfs/mmapcore"
	"shmfs/semfs"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// lateness is beyond what anything takes on a loaded machine.
const lateness = time.Minute

// helped is a helper on a directory in place of a mount.
type helped struct {
	*helper
	t    *testing.T
	root string
	text *guardedBuffer // of the log
}

// guardedBuffer is a buffer that several goroutines may use.
type guardedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *guardedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(data)
}

func (b *guardedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newHelped(t *testing.T) *helped {
	t.Helper()
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each process ends a second late under the race detector
	h := &helped{t: t, root: t.TempDir(), text: &guardedBuffer{}}
	h.helper = newHelper(h.root, deviceOf(t, h.root), false, hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: h.text}))
	t.Cleanup(h.close)
	return h
}

// by means a file by its name.
func by(path string, inode uint64) helperTarget { return helperTarget{node: inode, path: path} }

func deviceOf(t *testing.T, path string) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Dev
}

// make writes a file and returns its inode number.
func (h *helped) make(name string, content []byte) uint64 {
	h.t.Helper()
	path := filepath.Join(h.root, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		h.t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		h.t.Fatal(err)
	}
	return stat.Ino
}

func (h *helped) makeSemaphore(name string, layout semfs.Layout, value uint32) uint64 {
	h.t.Helper()
	image, err := semfs.Image(layout, value)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.make(name, image)
}

func (h *helped) wantValue(path string, inode uint64, want uint32) {
	h.t.Helper()
	state, err := h.State(by(path, inode))
	if err != nil || state.Layout == nil || state.Value != want {
		h.t.Errorf("the state is %+v (%v), want value %d", state, err, want)
	}
}

func wantErrno(t *testing.T, doing string, err error, want unix.Errno) {
	t.Helper()
	if err == nil || errnoOf(err) != want {
		t.Errorf("%s: error is %v, want %v", doing, err, want)
	}
}

func TestHelperOperates(t *testing.T) {
	h := newHelped(t)
	for _, layout := range []semfs.Layout{semfs.Glibc, semfs.Musl} {
		name := "sem." + layout.String()
		inode := h.makeSemaphore(name, layout, 3)
		state, err := h.State(by(name, inode))
		if want := (semfs.State{Layout: layout, Value: 3, Initial: 3, Noted: true}); err != nil || state != want {
			t.Errorf("%v: the state is %+v (%v), want %+v", layout, state, err, want)
		}
		for _, step := range []struct {
			name  string
			err   error
			errno unix.Errno
			value uint32
		}{
			{"post", h.Post(by(name, inode), 4), 0, 7},
			{"take", h.Take(by(name, inode), 5), 0, 2},
			{"take too many", h.Take(by(name, inode), 3), unix.EAGAIN, 2},
			{"set", h.Set(by(name, inode), semfs.MaxValue), 0, semfs.MaxValue},
			{"post too many", h.Post(by(name, inode), 1), unix.EOVERFLOW, semfs.MaxValue},
			{"set too many", h.Set(by(name, inode), semfs.MaxValue+1), unix.EINVAL, semfs.MaxValue},
			{"set to nothing", h.Set(by(name, inode), 0), 0, 0},
		} {
			if step.errno == 0 && step.err != nil || step.errno != 0 && (step.err == nil || errnoOf(step.err) != step.errno) {
				t.Errorf("%v: %s: %v, want %v", layout, step.name, step.err, step.errno)
			}
		}
		h.wantValue(name, inode, 0)
	}
}

func TestHelperOnWhatIsNoSemaphore(t *testing.T) {
	h := newHelped(t)
	inode := h.make("sem.none", []byte("text"))
	state, err := h.State(by("sem.none", inode))
	if err != nil || state.Layout != nil || state.Invalid != "the file has 4 bytes, not 32" {
		t.Errorf("the state is %+v, %v", state, err)
	}
	wantErrno(t, "Post", h.Post(by("sem.none", inode), 1), unix.EINVAL)
	content, err := os.ReadFile(filepath.Join(h.root, "sem.none"))
	if err != nil || string(content) != "text" {
		t.Errorf("the file holds %q (%v)", content, err)
	}
}

// Whatever a path leads to but the file itself is refused, and not touched.
func TestHelperRefusesOtherPaths(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 1)
	outside := h.makeSemaphore("../outside", semfs.Glibc, 1)
	at := func(name string) string { return filepath.Join(h.root, name) }
	for _, err := range []error{
		os.Mkdir(at("directory"), 0o700), os.Link(at("sem.a"), at("directory/again")), os.Symlink("sem.a", at("link")),
		os.Symlink("directory", at("path")), unix.Mkfifo(at("fifo"), 0o600), os.Symlink("/proc/self/fd/0", at("magic")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	inodeOf := func(name string) uint64 {
		var stat unix.Stat_t
		if err := unix.Stat(at(name), &stat); err != nil {
			t.Fatal(err)
		}
		return stat.Ino
	}
	for _, c := range []struct {
		path  string
		inode uint64
		want  unix.Errno
	}{
		{"sem.b", inode, unix.ENOENT},
		{"sem.a", inode + 1, unix.ESTALE},
		{"link", inode, unix.ESTALE},
		{"path/again", inode, unix.ESTALE},
		{"magic", inode, unix.ESTALE},
		{"sem.a/x", inode, unix.ESTALE},
		{"directory", inodeOf("directory"), unix.ESTALE},
		{"fifo", inodeOf("fifo"), unix.ESTALE},
		{"../outside", outside, unix.ESTALE},
		{at("sem.a"), inode, unix.ESTALE},
		{strings.Repeat("x", 256), inode, unix.ENAMETOOLONG},
		{strings.Repeat("x/", 4000), inode, unix.ENAMETOOLONG},
	} {
		wantErrno(t, c.path, h.Post(by(c.path, c.inode), 1), c.want)
	}
	h.wantValue("directory/again", inode, 1)
}

func TestHelperMissesTheMount(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 1)
	elsewhere := newHelper(h.root, deviceOf(t, "/proc"), false, hclog.NewNullLogger())
	defer elsewhere.close()
	wantErrno(t, "Post where another device is", elsewhere.Post(by("sem.a", inode), 1), unix.ESTALE)
	nowhere := newHelper(h.root+"/none", deviceOf(t, h.root), false, hclog.NewNullLogger())
	defer nowhere.close()
	wantErrno(t, "Post where nothing is", nowhere.Post(by("sem.a", inode), 1), unix.ENOENT)
	h.wantValue("sem.a", inode, 1)
}

func TestHelperWakesWaiters(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 0)
	descriptor, err := unix.Open(filepath.Join(h.root, "sem.a"), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	region := mmapcore.NewRegion(descriptor)
	defer region.Close()
	semaphore, err := semfs.Open(region)
	if err != nil {
		t.Fatal(err)
	}
	defer semaphore.Close()
	waiter, err := semaphore.Join(nil)
	if err != nil {
		t.Fatal(err)
	}
	state, err := h.State(by("sem.a", inode))
	if err != nil || state.Waiters != 1 {
		t.Errorf("the state is %+v, %v", state, err)
	}
	woken := make(chan error, 1)
	limit := mmapcore.NewCancellation()
	timer := time.AfterFunc(lateness, limit.Cancel)
	defer timer.Stop()
	go func() {
		_, err := waiter.Sleep(1, limit, nil)
		woken <- err
	}()
	if err := h.Post(by("sem.a", inode), 1); err != nil {
		t.Error(err)
	}
	if err := <-woken; err != nil {
		t.Errorf("sleeping: %v", err)
	}
	if err := waiter.Leave(nil); err != nil {
		t.Error(err)
	}
	h.wantValue("sem.a", inode, 1)
}

func TestHelperIsAskedByMany(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 0)
	const many, rounds = 100, 20
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			for range rounds {
				if err := errors.Join(h.Post(by("sem.a", inode), 3), h.Take(by("sem.a", inode), 2)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	h.wantValue("sem.a", inode, many*rounds)
}

func (h *helped) process() int {
	h.helper.mu.Lock()
	defer h.helper.mu.Unlock()
	if h.current == nil {
		return 0
	}
	return h.current.process.Pid
}

func TestHelperIsStartedWhenNeeded(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 0)
	if h.process() != 0 {
		t.Error("a process runs that nobody needed yet")
	}
	if err := h.Post(by("sem.a", inode), 1); err != nil {
		t.Fatal(err)
	}
	first := h.process()
	for round := range 3 {
		if err := unix.Kill(h.process(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		link, err := h.link()
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-link.ended:
		case <-time.After(lateness):
			t.Fatal("the end of the process is not noticed")
		}
		if err := h.Post(by("sem.a", inode), 1); err != nil {
			t.Errorf("after the process was killed: %v", err)
		}
		h.wantValue("sem.a", inode, uint32(round)+2)
	}
	if h.process() == first {
		t.Error("the process that was killed is still used")
	}
}

func TestHelperEnds(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 0)
	if err := h.Post(by("sem.a", inode), 1); err != nil {
		t.Fatal(err)
	}
	process := h.process()
	h.close()
	if err := unix.Kill(process, 0); err != unix.ESRCH {
		t.Errorf("process %d is still there: %v", process, err)
	}
	wantErrno(t, "Post after the end", h.Post(by("sem.a", inode), 1), unix.ENODEV)
	if text := h.text.String(); strings.Contains(text, "[WARN]") || strings.Contains(text, "[ERROR]") {
		t.Errorf("the log complains:\n%s", text)
	}
}

// The process knows by itself that the daemon is gone.
func TestHelperEndsWithTheDaemon(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "helper")
	command := helperCommand(t.TempDir(), 1, theirs, hclog.NewNullLogger())
	if err := errors.Join(command.Start(), theirs.Close(), unix.Close(pair[0])); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(lateness):
		t.Error("the process outlives its socket")
		_ = command.Process.Kill()
		<-ended
	}
}

func TestHelperKnowsItsThreads(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 0)
	if h.has(uint32(os.Getpid())) {
		t.Error("a thread is its own before it runs")
	}
	if err := h.Post(by("sem.a", inode), 1); err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", h.process()))
	if err != nil || len(threads) < 2 {
		t.Fatalf("%d threads, %v", len(threads), err)
	}
	for _, thread := range threads {
		var number uint32
		if _, err := fmt.Sscan(thread.Name(), &number); err != nil || !h.has(number) {
			t.Errorf("its thread %s is not known (%v)", thread.Name(), err)
		}
	}
	for _, number := range []uint32{0, 1, uint32(os.Getpid()), 1<<32 - 1} {
		if h.has(number) {
			t.Errorf("thread %d is taken for its own", number)
		}
	}
}
