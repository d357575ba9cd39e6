package semfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmfs/mmapcore"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// limit is how long anything in these tests may take before it counts as hanging.
const limit = 40 * time.Second

// libc is one of the libraries that the peers are built with.
type libc struct {
	compiler string
	flags    []string
	install  string // what to install if it is missing
	layout   Layout
}

var libcs = map[string]libc{
	"glibc": {"gcc", []string{"-pthread"}, "gcc and libc6-dev", Glibc},
	"musl":  {"musl-gcc", []string{"-static"}, "musl-tools", Musl},
}

// peers holds the built programs.
var peers string

func TestMain(m *testing.M) {
	if os.Args[0] == killedName {
		if err := runKilled(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	directory, err := os.MkdirTemp("", "semfs-peers-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	peers = directory
	code := 1
	if err := buildPeers(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		haveTimer()
		code = m.Run()
	}
	if err := os.RemoveAll(peers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// haveTimer has a timer pending from now on, without which the runtime may stand still for a minute (docs/decisions/0016). Who uses sleepers has
// one while they are awake, which these tests do not.
func haveTimer() { time.AfterFunc(100*time.Millisecond, haveTimer) }

func buildPeers() error {
	for name, library := range libcs {
		arguments := append([]string{"-O2", "-Wall", "-Werror", "-o", filepath.Join(peers, name)}, library.flags...)
		output, err := exec.Command(library.compiler, append(arguments, "testdata/peer.c")...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("building with %s (install %s): %w: %s", library.compiler, library.install, err, output)
		}
	}
	return nil
}

// fixture is a semaphore in a file without a name, and what else opens it.
type fixture struct {
	*Semaphore
	region *mmapcore.Region
	path   string // for other processes
}

// newFixture makes an empty file and opens it. The test fails if it leaves descriptors or mappings.
func newFixture(t *testing.T) fixture {
	t.Helper()
	before := held(t)
	t.Cleanup(func() {
		if after := held(t); !slices.Equal(before, after) {
			t.Errorf("descriptors and mappings were %q and are %q", before, after)
		}
	})
	descriptor, err := unix.MemfdCreate("semfs-test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	region := mmapcore.NewRegion(descriptor)
	t.Cleanup(func() { wantNoError(t, "closing the region", region.Close()) })
	semaphore, err := Open(region)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wantNoError(t, "closing the semaphore", semaphore.Close()) })
	return fixture{semaphore, region, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), descriptor)}
}

// held are this process's memory files, as descriptors and as mappings.
func held(t *testing.T) []string {
	t.Helper()
	var all []string
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:") {
			all = append(all, entry.Name()+" "+target)
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "semfs-test") {
			all = append(all, line)
		}
	}
	return all
}

// onEachLibc runs a test for each libc, with a semaphore that the libc initialised with value units.
func onEachLibc(t *testing.T, value int, test func(t *testing.T, name string, f fixture)) {
	for name, library := range libcs {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			wantNoError(t, "Resize", f.region.Resize(Size))
			if said := f.peer(name, "init", value); said != "done 0" {
				t.Fatalf("the peer initialised it: %s", said)
			}
			wantState(t, f.Semaphore, State{Layout: library.layout, Value: uint32(value)})
			test(t, name, f)
		})
	}
}

// peer runs a peer to its end and returns its line, or what went wrong.
func (f fixture) peer(name, command string, number int) string {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	output, err := f.peerCommand(ctx, name, command, number).Output()
	if len(output) == 0 && err != nil {
		return fmt.Sprintf("%s %d: %v", command, number, err)
	}
	return string(bytes.TrimSpace(output))
}

// peerCommand is a peer to start. It ends with this process at the latest.
func (f fixture) peerCommand(ctx context.Context, name, command string, number int) *exec.Cmd {
	peer := exec.CommandContext(ctx, filepath.Join(peers, name), f.path, command, fmt.Sprint(number))
	peer.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return peer
}

// wantState fails unless the semaphore has that layout, value and number of waiters, or has some reason to be invalid if
// the wanted layout is nil.
func wantState(t *testing.T, s *Semaphore, want State) {
	t.Helper()
	state, err := s.State()
	wantNoError(t, "State", err)
	if want.Layout == nil {
		if state.Layout != nil || !strings.Contains(state.Invalid, want.Invalid) || state.Invalid == "" {
			t.Fatalf("state is %+v, want invalid because %q", state, want.Invalid)
		}
		return
	}
	state.Initial, state.Noted = 0, false
	if state != want {
		t.Fatalf("state is %+v, want %+v", state, want)
	}
}

// awaitWaiters returns when that many wait.
func awaitWaiters(t *testing.T, s *Semaphore, want uint32) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; {
		waiters, err := s.Waiters()
		wantNoError(t, "Waiters", err)
		if waiters == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, want %d", waiters, want)
		}
		_, _ = unix.Poll(nil, 1) // they have no other way to tell
	}
}

func wantError(t *testing.T, doing string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error is %v, want %v", doing, err, want)
	}
}

func wantNoError(t *testing.T, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}
