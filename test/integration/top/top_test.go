package top

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// evil is a name that would break lines and colour the terminal, and how it is shown.
const (
	evil      = "evil\x1b[31m\nline"
	shownEvil = `evil\033[31m\012line`
)

// populate makes a mount's content: objects, semaphores, and one object that this process maps and has open.
func populate(t *testing.T, mount string) {
	t.Helper()
	for _, name := range []string{"small", evil} {
		write(t, filepath.Join(mount, name), unix.O_CREAT|unix.O_EXCL, make([]byte, 4096))
	}
	if err := os.Mkdir(filepath.Join(mount, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(mount, "sem.jobs"), unix.O_CREAT|unix.O_EXCL, []byte("3\n"))
	write(t, filepath.Join(mount, "sem.empty"), unix.O_CREAT|unix.O_EXCL, []byte("0\n"))
	descriptor, err := unix.Open(filepath.Join(mount, "frames"), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(descriptor) })
	if err := unix.Ftruncate(descriptor, 8<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Pwrite(descriptor, make([]byte, 2<<20), 3<<20); err != nil {
		t.Fatal(err)
	}
	memory, err := unix.Mmap(descriptor, 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(memory) })
}

func write(t *testing.T, path string, flags int, content []byte) {
	t.Helper()
	descriptor, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC|flags, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = unix.Write(descriptor, content)
	if err := errors.Join(err, unix.Close(descriptor)); err != nil {
		t.Fatal(err)
	}
}

// mounted mounts shmfs where its path is always the same, and populates it.
func mounted(t *testing.T, options string) string {
	t.Helper()
	mount := rig.ShmfsAt(t, rig.SharedMemory, options)
	populate(t, mount)
	return mount
}

const options = "size=64M,nr_inodes=1000"

// A screen has things that differ from run to run.
var passing = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`up \d\d:\d\d:\d\d`), "up HH:MM:SS"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`), "TIME"},
	{regexp.MustCompile(fmt.Sprintf(`creator-pid %d`, os.Getpid())), "creator-pid PID"},
	{regexp.MustCompile(fmt.Sprintf(`(?m)^ *%d root`, os.Getpid())), "       PID root"},
	{regexp.MustCompile(`creator-cgroup \S+`), "creator-cgroup CGROUP"},
}

// golden returns when the screen is the one that is kept.
func (w terminal) golden(t *testing.T, name string, width, height int) {
	t.Helper()
	path := filepath.Join("testdata", fmt.Sprintf("%s-%dx%d.txt", name, width, height))
	lasting := func(screen string) string {
		for _, part := range passing {
			screen = part.what.ReplaceAllString(screen, part.by)
		}
		return screen
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(lasting(w.screen(t))), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w.until(t, path+" (write it anew with -rewrite)\n"+string(want), func(screen string) bool { return lasting(screen) == string(want) })
}

func TestTop(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {200, 50}} {
		width, height := size[0], size[1]
		t.Run(fmt.Sprintf("%dx%d", width, height), func(t *testing.T) {
			mount := mounted(t, options)
			w := newTerminal(t, width, height, nil, "--mount", mount, "--interval", "0.2")
			w.shows(t, "[Objects 6]", "frames", shownEvil, "sem.jobs", "every 200ms")
			w.golden(t, "objects", width, height)
			tryHelp(t, w, width, height)
			trySorting(t, w)
			trySemaphores(t, w, width, height)
			tryDetail(t, w, width, height)
			tryUnlink(t, w, mount)
			w.press(t, "q")
			w.shows(t, "it ended with 0")
		})
	}
}

func tryHelp(t *testing.T, w terminal, width, height int) {
	t.Helper()
	w.press(t, "h")
	w.shows(t, "any key: back")
	w.golden(t, "help", width, height)
	w.press(t, "x")
	w.shows(t, "[Objects 6]")
}

func trySorting(t *testing.T, w terminal) {
	t.Helper()
	for _, order := range []string{"size", "mappers", "opens", "change"} {
		w.press(t, "s")
		w.shows(t, "sort: "+order+" descending")
		if order != "change" {
			w.until(t, "frames first", func(screen string) bool { return len(rows(screen)) == 6 && rows(screen)[0] == "frames" })
		}
	}
	w.press(t, "s")
	w.shows(t, "sort: name ascending")
	sorted := []string{"dir", shownEvil, "frames", "sem.empty", "sem.jobs", "small"}
	w.until(t, "sorted by name", func(screen string) bool { return slices.Equal(rows(screen), sorted) })
	w.press(t, "S")
	w.shows(t, "sort: name descending")
	slices.Reverse(sorted)
	w.until(t, "sorted backwards", func(screen string) bool { return slices.Equal(rows(screen), sorted) })
}

func trySemaphores(t *testing.T, w terminal, width, height int) {
	t.Helper()
	w.press(t, "Tab")
	w.shows(t, "[Semaphores 2]", "VALUE")
	w.golden(t, "semaphores", width, height)
	w.press(t, "s")
	w.until(t, "sorted by value", func(screen string) bool { return slices.Equal(rows(screen), []string{"jobs", "empty"}) })
	w.press(t, "Tab")
	w.shows(t, "[Objects 6]")
}

// tryDetail filters for one object and looks at it.
func tryDetail(t *testing.T, w terminal, width, height int) {
	t.Helper()
	w.press(t, "/")
	w.shows(t, "Filter names:")
	w.press(t, "-l", "FRA")
	w.press(t, "Enter")
	w.until(t, "only frames", func(screen string) bool { return slices.Equal(rows(screen), []string{"frames"}) })
	w.press(t, "Enter")
	w.shows(t, "-- frames ---", "pages, ", "###", "...", "MAPPER", strconv.Itoa(os.Getpid()), "shared")
	w.golden(t, "detail", width, height)
	w.press(t, "Escape")
	w.hides(t, "-- frames")
	w.press(t, "Escape")
	w.until(t, "everything again", func(screen string) bool { return len(rows(screen)) == 6 })
}

func tryUnlink(t *testing.T, w terminal, mount string) {
	t.Helper()
	path := filepath.Join(mount, "small")
	w.press(t, "/")
	w.press(t, "-l", "small")
	w.press(t, "Enter")
	w.until(t, "only small", func(screen string) bool { return slices.Equal(rows(screen), []string{"small"}) })
	w.press(t, "u")
	w.shows(t, "Unlink small (4.0K, 0 mappers, 0 opens)? y: yes")
	w.press(t, "n")
	w.shows(t, "small stays")
	if err := unix.Access(path, unix.F_OK); err != nil {
		t.Error(err)
	}
	w.press(t, "u")
	w.shows(t, "Unlink small")
	w.press(t, "y")
	w.shows(t, "unlinked small", "[Objects 5]")
	if err := unix.Access(path, unix.F_OK); !errors.Is(err, unix.ENOENT) {
		t.Errorf("small is there still: %v", err)
	}
	w.press(t, "Escape")
	w.until(t, "everything else", func(screen string) bool { return len(rows(screen)) == 5 })
}

func TestResize(t *testing.T) {
	mount := mounted(t, options)
	w := newTerminal(t, 80, 24, nil, "--mount", mount, "--interval", "0.2")
	w.shows(t, "[Objects 6]")
	for _, size := range [][2]int{{200, 50}, {80, 24}, {200, 50}} {
		w.resize(t, size[0], size[1])
		if !*rewrite { // the first screens are those of another test
			w.golden(t, "objects", size[0], size[1])
		}
	}
	w.resize(t, 30, 8)
	w.shows(t, "needs 60 x 14")
	w.press(t, "C-c")
	w.shows(t, "it ended with 0")
}

func TestColours(t *testing.T) {
	mount := mounted(t, options)
	for _, test := range []struct {
		environment []string
		coloured    bool
	}{{nil, true}, {[]string{"NO_COLOR=1"}, false}} {
		w := newTerminal(t, 80, 24, test.environment, "--mount", mount)
		w.shows(t, "[Objects 6]")
		screen := w.do(t, "capture-pane", "-p", "-e")
		if coloured := strings.Contains(screen, "\x1b[32m"); coloured != test.coloured {
			t.Errorf("with %q it is coloured: %v\n%q", test.environment, coloured, screen)
		}
		w.press(t, "q")
		w.shows(t, "it ended with 0")
	}
}

func TestCached(t *testing.T) {
	mount := mounted(t, options+",passthrough=off")
	w := newTerminal(t, 80, 24, nil, "--mount", mount)
	w.shows(t, "cached, strict", "[Objects 6]", "frames", shownEvil)
	w.press(t, "Tab")
	w.until(t, "semaphores", func(screen string) bool { return slices.Equal(rows(screen), []string{"empty", "jobs"}) })
	w.press(t, "q")
	w.shows(t, "it ended with 0")
}

// A mount that does not answer holds up no key.
func TestMountThatHangs(t *testing.T) {
	mount := mounted(t, options)
	daemon := daemonOf(t, mount)
	w := newTerminal(t, 80, 24, nil, "--mount", mount)
	w.shows(t, "[Objects 6]")
	if err := unix.Kill(daemon, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Kill(daemon, unix.SIGCONT) })
	w.shows(t, "has not answered for")
	w.press(t, "h")
	w.shows(t, "any key: back")
	w.press(t, "x")
	w.press(t, "Tab")
	w.shows(t, "[Semaphores 2]", "has not answered for")
	if err := unix.Kill(daemon, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.hides(t, "has not answered")
	w.press(t, "q")
	w.shows(t, "it ended with 0")
}

// daemonOf returns the process that answers the kernel for a mount.
func daemonOf(t *testing.T, mount string) int {
	t.Helper()
	return rig.DaemonOf(t, mount).Worker
}

func TestMountThatGoes(t *testing.T) {
	mount := t.TempDir()
	if output, err := exec.Command(rig.Binary(t), "mount", mount).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	w := newTerminal(t, 200, 50, nil, "--mount", mount)
	w.shows(t, "[Objects 0]")
	if output, err := exec.Command(rig.Binary(t), "umount", mount).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	w.shows(t, "shmfs: the shmfs at "+mount+" is gone", "it ended with 7")
}

func TestWithoutATerminal(t *testing.T) {
	mount := mounted(t, options)
	once := rig.MustRun(t, mount, limit, exec.Command(rig.Binary(t), "top", "--mount", mount, "--once"))
	for _, text := range []string{"shmfs top  " + mount, "\nframes ", "\n" + shownEvil, "\njobs "} {
		if !strings.Contains(once, text) {
			t.Errorf("it does not print %q:\n%s", text, once)
		}
	}
	if strings.Contains(once, "\x1b") {
		t.Errorf("it prints what is for terminals: %q", once)
	}
	for arguments, words := range map[string]string{"": "--once", "--interval 0": "--interval", "--once more": "no arguments"} {
		command := exec.Command(rig.Binary(t), append([]string{"top", "--mount", mount}, strings.Fields(arguments)...)...)
		ended := rig.Run(t, mount, limit, command)[0]
		if command.ProcessState.ExitCode() != 2 || !strings.Contains(ended.Stderr, words) || strings.Count(ended.Stderr, "\n") != 1 {
			t.Errorf("%q ends with %v and %q", arguments, ended.Err, ended.Stderr)
		}
	}
}
