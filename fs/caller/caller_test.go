package caller

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user, userGroup   = 61234, 61235
	third, thirdGroup = 61236, 61237
	extraGroup        = 61238
)

var (
	asRoot  = Identity{Capabilities: All}
	asUser  = Identity{UID: user, GID: userGroup}
	asThird = Identity{UID: third, GID: thirdGroup}
)

// process starts a process that waits, and returns its id.
func process(t *testing.T, attributes *syscall.SysProcAttr) int {
	t.Helper()
	command := exec.Command("/bin/cat")
	command.SysProcAttr = attributes
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("cat: %v", err)
		}
	})
	return command.Process.Pid
}

func userProcess(t *testing.T) int {
	t.Helper()
	return process(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: userGroup, Groups: []uint32{extraGroup, 7}}})
}

func readMaps(pid int) func() error {
	return func() error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
		if err == nil && !strings.Contains(string(text), "cat") {
			err = fmt.Errorf("maps of cat without it:\n%s", text)
		}
		return err
	}
}

// requireOwnThreads says that every thread of this process is the same user as ever.
func requireOwnThreads(t *testing.T) {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatalf("%v, %v", threads, err)
	}
	for _, path := range threads {
		status, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		identity, err := parseStatus(status)
		if err != nil || identity.UID != 0 || identity.GID != 0 || identity.Capabilities != ownCapabilities || !slices.Equal(identity.Groups, ownGroups) {
			t.Errorf("%s: %+v, %v", path, identity, err)
		}
	}
}

var ownGroups, ownCapabilities = func() ([]uint32, uint64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	identity, err := parseStatus(status)
	if err != nil {
		panic(err)
	}
	return identity.Groups, identity.Capabilities
}()

func TestMapsOfAnotherUser(t *testing.T) {
	pid := userProcess(t)
	for name, c := range map[string]struct {
		identity Identity
		want     error
	}{
		"root":                      {asRoot, nil},
		"the user":                  {asUser, nil},
		"another":                   {asThird, unix.EACCES},
		"another of the same group": {Identity{UID: third, GID: userGroup}, unix.EACCES},
		"the user in another group": {Identity{UID: user, GID: thirdGroup}, unix.EACCES},
		"root without capabilities": {Identity{}, unix.EACCES},
		"another who may trace":     {Identity{UID: third, GID: thirdGroup, Capabilities: 1 << unix.CAP_SYS_PTRACE}, nil},
	} {
		if err := As(c.identity, readMaps(pid)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		requireOwnThreads(t)
	}
	if err := readMaps(pid)(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestMapsOfRoot(t *testing.T) {
	pid := process(t, nil)
	if err := As(asRoot, readMaps(pid)); err != nil {
		t.Error(err)
	}
	for _, identity := range []Identity{{}, asThird} {
		if err := As(identity, readMaps(pid)); !errors.Is(err, unix.EACCES) {
			t.Errorf("%+v: %v", identity, err)
		}
	}
}

func TestFilesByGroupAndCapability(t *testing.T) {
	directory, err := os.MkdirTemp("/tmp", "shmfs-caller-") // which every user can reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	path := filepath.Join(directory, "file")
	if err := errors.Join(os.WriteFile(path, nil, 0o040), os.Chown(path, 0, extraGroup), os.Chmod(directory, 0o755)); err != nil {
		t.Fatal(err)
	}
	open := func() error {
		descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(descriptor)
		}
		return err
	}
	member, capable := asThird, asThird
	member.Groups = []uint32{extraGroup, 3, extraGroup, 2}
	capable.Capabilities = 1 << unix.CAP_DAC_READ_SEARCH
	for _, identity := range []Identity{member, capable, asRoot} {
		if err := As(identity, open); err != nil {
			t.Errorf("%+v: %v", identity, err)
		}
	}
	for _, identity := range []Identity{asThird, {}} {
		if err := As(identity, open); !errors.Is(err, unix.EACCES) {
			t.Errorf("%+v: %v", identity, err)
		}
	}
	requireOwnThreads(t)
}

func TestOf(t *testing.T) {
	pid := uint32(userProcess(t))
	for _, c := range []struct {
		pid, uid, gid uint32
		want          Identity
	}{
		{pid, user, userGroup, Identity{UID: user, GID: userGroup, Groups: []uint32{7, extraGroup}}},
		{pid, third, userGroup, Identity{UID: third, GID: userGroup}},
		{pid, user, thirdGroup, Identity{UID: user, GID: thirdGroup}},
		{pid, 0, 0, Identity{}},
		{0, 0, 0, Identity{}},
		{1 << 30, 0, 0, Identity{}},
		{uint32(os.Getpid()), 0, 0, Identity{Groups: ownGroups, Capabilities: ownCapabilities}},
		{uint32(unix.Gettid()), 0, 0, Identity{Groups: ownGroups, Capabilities: ownCapabilities}},
	} {
		got := Of(c.pid, c.uid, c.gid)
		if got.UID != c.want.UID || got.GID != c.want.GID || got.Capabilities != c.want.Capabilities || !slices.Equal(got.Groups, c.want.Groups) {
			t.Errorf("Of(%d, %d, %d) = %+v, want %+v", c.pid, c.uid, c.gid, got, c.want)
		}
	}
	if err := As(Of(pid, user, userGroup), readMaps(int(pid))); err != nil {
		t.Error(err)
	}
	if err := As(Of(pid, user, userGroup), readMaps(process(t, nil))); !errors.Is(err, unix.EACCES) {
		t.Errorf("a user reads root's maps: %v", err)
	}
}

// Root of a user namespace is an ordinary user here.
func TestRootOfAnotherUserNamespace(t *testing.T) {
	pid := process(t, &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: user, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: userGroup, Size: 1}},
		Credential:  &syscall.Credential{NoSetGroups: true},
	})
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	if there, err := parseStatus(status); err != nil || there.UID != user || there.Capabilities == 0 {
		t.Fatalf("it is %+v, %v, and no root", there, err)
	}
	if got := Of(uint32(pid), user, userGroup); got.UID != user || got.Capabilities != 0 {
		t.Errorf("got %+v", got)
	}
	if err := As(Of(uint32(pid), user, userGroup), readMaps(process(t, nil))); !errors.Is(err, unix.EACCES) {
		t.Errorf("it reads root's maps: %v", err)
	}
}

func TestParseStatusRefuses(t *testing.T) {
	const good = "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \nCapEff:\t00000000000000ff\n"
	got, err := parseStatus([]byte("Name:\tx\n" + good))
	if err != nil || got.UID != 4 || got.GID != 8 || got.Capabilities != 0xff || !slices.Equal(got.Groups, []uint32{9, 10}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, change := range [][2]string{{"Uid", "uid"}, {"\t4", ""}, {"9", "x"}, {"00ff", "zz"}, {"8", "4294967296"}} {
		if got, err := parseStatus([]byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("with %q it is %+v", change, got)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	pid := userProcess(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 100 {
				identity, want := asUser, error(nil)
				if i%2 == 0 {
					identity, want = asThird, unix.EACCES
				}
				if err := As(identity, readMaps(pid)); !errors.Is(err, want) {
					t.Errorf("%+v: %v, want %v", identity, err, want)
				}
				if err := readMaps(pid)(); err != nil {
					t.Errorf("as itself: %v", err)
				}
			}
		})
	}
	all.Wait()
	requireOwnThreads(t)
}

func TestErrorsComeBack(t *testing.T) {
	if err := As(asThird, func() error { return io.ErrUnexpectedEOF }); err != io.ErrUnexpectedEOF {
		t.Errorf("got %v", err)
	}
	if err := As(Identity{UID: third, Groups: make([]uint32, 1<<17)}, nil); !errors.Is(err, unix.EINVAL) {
		t.Errorf("too many groups: %v", err)
	}
	if err := As(Identity{UID: ^uint32(0)}, nil); !errors.Is(err, unix.EPERM) {
		t.Errorf("a user there cannot be: %v", err)
	}
	requireOwnThreads(t)
}

func TestPanicComesBack(t *testing.T) {
	defer func() {
		if cause := fmt.Sprint(recover()); !strings.Contains(cause, "went wrong") || !strings.Contains(cause, "caller_test.go") {
			t.Errorf("got %s", cause)
		}
		requireOwnThreads(t)
	}()
	_ = As(asThird, func() error { panic("went wrong") })
	t.Error("there was no panic")
}

// requireEnd says that a thread ends.
func requireEnd(t *testing.T, thread int) {
	t.Helper()
	if thread == 0 || thread == os.Getpid() {
		t.Fatalf("thread %d cannot end", thread)
	}
	path := fmt.Sprintf("/proc/self/task/%d", thread)
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("thread %d is still there", thread)
		}
	}
}

func TestAThreadThatCannotBeBroughtBackEnds(t *testing.T) {
	for range 20 {
		thread, applied := 0, 0
		broken := switcher{func(target credentials) error {
			if applied++; applied == 2 {
				return unix.EAGAIN
			}
			return apply(target)
		}}
		err := broken.as(&asThird, func() error { thread = unix.Gettid(); return io.EOF })
		if !errors.Is(err, unix.EAGAIN) || !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
		requireEnd(t, thread)
	}
	requireOwnThreads(t)
}

func TestAThreadThatCannotBeginEndsIfItCannotBeBroughtBack(t *testing.T) {
	thread := 0
	broken := switcher{func(credentials) error { thread = unix.Gettid(); return unix.EAGAIN }}
	if err := broken.as(&asThird, nil); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("got %v", err)
	}
	requireEnd(t, thread)
}

func TestAThreadWhoseGoroutineEndsEnds(t *testing.T) {
	thread := 0
	err := As(asThird, func() error { thread = unix.Gettid(); runtime.Goexit(); return nil })
	if err == nil {
		t.Error("nobody hears of it")
	}
	requireEnd(t, thread)
	requireOwnThreads(t)
}

func TestPlan(t *testing.T) {
	ordinary := credentials{uid: user, gid: userGroup, groups: []uint32{extraGroup}}
	for name, c := range map[string]struct {
		identity Identity
		refused  bool
	}{
		"itself":           {Identity{UID: user, GID: userGroup, Groups: []uint32{extraGroup}, Capabilities: All}, false},
		"its other groups": {Identity{UID: user, GID: 1}, false},
		"root":             {Identity{Capabilities: All}, false},
		"weak root":        {Identity{Capabilities: All &^ (1 << unix.CAP_SYS_PTRACE)}, true},
		"another":          {asThird, true},
	} {
		_, change, err := ordinary.plan(&c.identity)
		if change || errors.Is(err, unix.EPERM) != c.refused {
			t.Errorf("an ordinary user's process for %s: %v, %v", name, change, err)
		}
	}
}

func BenchmarkAs(b *testing.B) {
	for b.Loop() {
		if err := As(asThird, func() error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	for b.Loop() {
		Of(uint32(os.Getpid()), 0, 0)
	}
}
