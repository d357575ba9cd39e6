package inspection

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// nastyNames are names that could break a table or a terminal: what terminals obey, and, if all are wanted, every byte.
func nastyNames(all bool) []string {
	names := []string{
		"new\nline", "\n", "two\n\nlines\n", "tab\there", " leading", "trailing ", "-", "--", "\\", `\012`, `back\slash`, `"quoted"`,
		"\x1b[2J", "\x1b]0;title\a", "\x1b]8;;x:y\x1b\\", "\u009b2J", "\u202egnirts", "\u2028", "\u2029", "\u200b", "\ufeff", "\u00ad",
		"a: b", "key: value\nother: value", "#17", "é", "e\u0301", "日本語", "\U0001F600", "\xff\xfe", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\r", "\r\n", strings.Repeat("\n", 200), strings.Repeat("\xff", 255), "mapper: pid 1", "OBJECT", "name, comma",
	}
	for value := 1; value < 256 && all; value++ {
		if value != '/' {
			names = append(names, "b"+string([]byte{byte(value)}))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestNamesBreakNothing gives objects, targets and commands such names, has them open and mapped, and looks at every byte of every
// file of the tree.
func TestNamesBreakNothing(t *testing.T) {
	inEach(t, []place{places[0], places[2], places[4]}, func(t *testing.T, mount string) {
		events := open(t, info(mount, "events"), unix.O_RDONLY|unix.O_NONBLOCK)
		names := nastyNames(strings.HasSuffix(t.Name(), "/strict"))
		var held []int
		for _, name := range names {
			held = append(held, open(t, filepath.Join(mount, name), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL))
			must(t, unix.Ftruncate(held[len(held)-1], 4096))
		}
		must(t, os.Mkdir(filepath.Join(mount, "dir\n\x1b"), 0o755))
		for _, name := range names {
			must(t, os.Symlink(name, filepath.Join(mount, "dir\n\x1b", name)))
			if nastySemaphore(name) {
				create(t, filepath.Join(mount, "sem."+name), "3\n")
			}
		}
		nastyCommands(t, mount)
		checkEvents(t, drain(t, events), names)
		looked := 0
		must(t, filepath.WalkDir(info(mount, ""), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() == "events" && filepath.Dir(path) == info(mount, "") {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			looked++
			requireClean(t, path, content)
			if strings.HasPrefix(path, info(mount, "object")+"/") {
				values(t, string(content))
			}
			return nil
		}))
		if want := 2 * len(names); looked < want {
			t.Errorf("only %d files were looked at, want more than %d", looked, want)
		}
		checkNames(t, mount, names)
	})
}

// nastySemaphore says whether a semaphore gets a name, too.
func nastySemaphore(name string) bool { return len(name) < 200 && len(name) > 2 }

// checkNames fails the test unless the tables have all names as they are, and no others.
func checkNames(t *testing.T, mount string, names []string) {
	t.Helper()
	want := []string{"dir\n\x1b"}
	var semaphores []string
	for _, name := range names {
		want = append(want, name, "dir\n\x1b/"+name)
		if nastySemaphore(name) {
			want = append(want, "sem."+name)
			semaphores = append(semaphores, name)
		}
	}
	slices.Sort(want)
	if got := column(rig.Rows(t, text(t, mount, "objects")), "NAME"); !slices.Equal(got, want) {
		t.Errorf("objects has other names, or another order: %q, want %q", got, want)
	}
	slices.Sort(semaphores)
	if got := column(rig.Rows(t, text(t, mount, "semaphores")), "NAME"); !slices.Equal(got, semaphores) {
		t.Errorf("semaphores has other names, or another order: %q, want %q", got, semaphores)
	}
	opened := column(rig.Rows(t, text(t, mount, "handles")), "OBJECT")
	for _, name := range names {
		if !slices.Contains(opened, name) {
			t.Errorf("handles lacks %q", name)
		}
	}
	for _, table := range []string{"handles", "maps"} {
		commands := column(rig.Rows(t, text(t, mount, table)), "COMMAND")
		for _, command := range nasty {
			if !slices.Contains(commands, command) {
				t.Errorf("%s lacks the command %q: %q", table, command, slices.Compact(commands))
			}
		}
	}
}

func column(table []row, name string) []string {
	var found []string
	for _, row := range table {
		found = append(found, row[name])
	}
	return found
}

// nasty are names of commands.
var nasty = []string{"a\nb c", "\x1b[31mred", "\xffbad\xfe", "tab\tnl\n", `"q" \`}

// nastyCommands starts processes of such names, which have an object open and mapped until the test ends.
func nastyCommands(t *testing.T, mount string) {
	t.Helper()
	create(t, filepath.Join(mount, "shared"), strings.Repeat("x", 8192))
	const script = `
import ctypes, mmap, os, sys
command = os.fsencode(sys.argv[2])
assert ctypes.CDLL(None).prctl(15, command, 0, 0, 0) == 0
descriptor = os.open(sys.argv[1], os.O_RDWR)
memory = mmap.mmap(descriptor, 8192)
print("ready", flush=True)
sys.stdin.read()
`
	for _, command := range nasty {
		start(t, mount, exec.Command(rig.Program(t, "python3"), "-c", script, filepath.Join(mount, "shared"), command))
	}
	must(t, os.Rename(filepath.Join(mount, "shared"), filepath.Join(mount, "shared now")))
	must(t, os.Remove(filepath.Join(mount, "shared now")))
}

// start starts a program that says "ready", goes on until its input ends, and is ended with the test. It returns its process id.
func start(t *testing.T, mount string, command *exec.Cmd) int {
	t.Helper()
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
	var stderr strings.Builder
	command.Stderr = &stderr
	input, err := command.StdinPipe()
	must(t, err)
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = input.Close()
		_ = unix.Kill(-command.Process.Pid, unix.SIGKILL)
		_ = command.Wait()
	})
	if said, err := bufio.NewReader(output).ReadString('\n'); err != nil || said != "ready\n" {
		_ = unix.Kill(-command.Process.Pid, unix.SIGKILL)
		_ = command.Wait()
		t.Fatalf("%s says %q, %v\n%s", command, said, err, &stderr)
	}
	return command.Process.Pid
}

// drain reads what an events file that does not block has.
func drain(t testing.TB, descriptor int) []byte {
	t.Helper()
	var all []byte
	part := make([]byte, 64<<10)
	for {
		n, err := unix.Read(descriptor, part)
		if err == unix.EAGAIN {
			return all
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatalf("reading events: %v", err)
		}
		if n == 0 || part[n-1] != '\n' {
			t.Fatalf("a read of events returned no whole lines: %q", part[max(0, n-80):n])
		}
		all = append(all, part[:n]...)
	}
}

// checkEvents fails the test unless the creation of each name is told, and nothing raw.
func checkEvents(t *testing.T, told []byte, names []string) {
	t.Helper()
	requireClean(t, "events", told)
	created := map[string]bool{}
	for line := range strings.Lines(string(told)) {
		var event struct {
			Event, Object, To string
			Bytes             []byte `json:"object-bytes"`
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		name := event.Object
		if event.Bytes != nil {
			if name = string(event.Bytes); strings.ToValidUTF8(name, "\ufffd") != event.Object && utf8.ValidString(name) {
				t.Errorf("%q is also told as %s", name, base64.StdEncoding.EncodeToString(event.Bytes))
			}
		}
		if event.Event == "create" {
			created[name] = true
		}
	}
	for _, name := range names {
		if !created[name] {
			t.Errorf("the creation of %q was not told", name)
		}
	}
}
