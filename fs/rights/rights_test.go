package rights

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// partVariable makes a copy of the test binary a process that gives up rights.
const partVariable = "SHMFS_TEST_RIGHTS"

// parts are what such a process does.
var parts = map[string]func() error{
	"report":                      report,
	"confine":                     func() error { return confineAndTry(os.Args[1]) },
	"start another":               startAnother,
	"confine, then start another": func() error { return errors.Join(Confine(), startAnother()) },
}

func startAnother() error {
	return Start(self("report"), some, func(err error) { fmt.Println("told:", err) })
}

// some is a set of capabilities that nothing but a test keeps.
var some = Of(unix.CAP_CHOWN, unix.CAP_SETPCAP, unix.CAP_SYS_PTRACE)

func TestMain(m *testing.M) {
	part := os.Getenv(partVariable)
	if part == "" {
		os.Exit(m.Run())
	}
	if err := parts[part](); err != nil {
		fmt.Println("error:", err)
	}
}

// report prints what there is to say of the rights of each thread.
func report() error {
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(files) < 2 {
		return fmt.Errorf("%d threads, %w", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "Cap") || strings.HasPrefix(line, "NoNewPrivs") {
				fmt.Print(line)
			}
		}
	}
	fmt.Println("arguments:", os.Args[1:])
	return nil
}

// self is a copy of this binary that plays a part.
func self(part string, arguments ...string) *exec.Cmd {
	command := exec.Command("/proc/self/exe", arguments...)
	command.Env = append(os.Environ(), partVariable+"="+part, "GORACE=atexit_sleep_ms=0")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command
}

// wantOnly fails the test unless every thread that a report is about has a set of capabilities and no way to others.
func wantOnly(t *testing.T, text string, want Set) {
	t.Helper()
	seen := map[string]int{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		expected := fmt.Sprintf("%016x", uint64(want))
		switch key {
		case "CapPrm", "CapEff", "CapBnd":
		case "CapInh", "CapAmb":
			expected = fmt.Sprintf("%016x", 0)
		case "NoNewPrivs":
			expected = "1"
		default:
			continue
		}
		seen[key]++
		if value != expected {
			t.Errorf("%s is %s, want %s", key, value, expected)
		}
	}
	if len(seen) != 6 || seen["CapBnd"] < 2 {
		t.Errorf("the report is\n%s", text)
	}
}

func TestStartedProcessesHaveNoMore(t *testing.T) {
	command := self("report", "one", "two")
	var output bytes.Buffer
	command.Stdout = &output
	before := threadStatus(t)
	if err := Start(command, some, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, output.String(), some)
	if !strings.Contains(output.String(), "arguments: [one two]") {
		t.Errorf("the report is\n%s", &output)
	}
	if after := threadStatus(t); after != before {
		t.Errorf("this process became\n%s", after)
	}
}

// threadStatus is what every thread of this process has, once.
func threadStatus(t *testing.T) string {
	t.Helper()
	files, _ := filepath.Glob("/proc/self/task/*/status")
	all := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // a thread that has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		var lines strings.Builder
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "CapPrm") || strings.HasPrefix(line, "CapBnd") || strings.HasPrefix(line, "NoNewPrivs") {
				lines.WriteString(line)
			}
		}
		all[lines.String()] = true
	}
	if len(all) != 1 {
		t.Fatalf("the threads differ: %v", all)
	}
	for lines := range all {
		return lines
	}
	return ""
}

// Also from the main thread, which cannot end, and while everything is confined.
func TestConfinedProcessesStartOthers(t *testing.T) {
	command := self("confine, then start another")
	command.Stdout = nil
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	wantOnly(t, string(output), some)
}

// Without CAP_SETPCAP what is executed cannot be limited: that is told, and nothing is done by halves.
func TestWithoutTheRightToGiveUpRights(t *testing.T) {
	wanted := fmt.Sprintf("CapEff:\t%016x", uint64(bounding()&^Of(unix.CAP_SETPCAP)))
	command := self("start another")
	command.Stdout = nil
	var output []byte
	var err error
	onThread(func() {
		held, _ := heldByThread()
		held[0].Permitted &^= 1 << unix.CAP_SETPCAP
		held[0].Effective &^= 1 << unix.CAP_SETPCAP
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		err = errors.Join(unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SETPCAP, 0, 0, 0), unix.Capset(&header, &held[0]))
		if err == nil {
			output, err = command.Output()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(output); !strings.Contains(text, "told: ") || !strings.Contains(text, "operation not permitted") ||
		!strings.Contains(text, "NoNewPrivs:\t0") || !strings.Contains(text, wanted) {
		t.Errorf("it says\n%s", text)
	}
}

func TestOrdinaryUsersGiveUpNothing(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "copy") // /proc/self/exe may lie where only root may go
	content, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(binary, content, 0o755)
	}
	for directory := filepath.Dir(binary); err == nil && directory != os.TempDir() && directory != "/"; directory = filepath.Dir(directory) {
		err = os.Chmod(directory, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]string{"start another": "NoNewPrivs:\t0", "confine": "error: unshare is made"} {
		command := self(part, "-")
		command.Path, command.Dir, command.Stdout = binary, "/", nil
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
		output, err := command.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		if text := string(output); !strings.Contains(text, want) || strings.Contains(text, "told:") {
			t.Errorf("%s by an ordinary user:\n%s", part, text)
		}
	}
}

func TestServingIsEnough(t *testing.T) {
	if Serving&SemaphoreHelper != SemaphoreHelper || !Serving.has(unix.CAP_SETPCAP) {
		t.Errorf("%#x cannot start a process with %#x", uint64(Serving), uint64(SemaphoreHelper))
	}
	for _, dangerous := range []int{unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_BOOT, unix.CAP_SYS_TIME, unix.CAP_NET_ADMIN, unix.CAP_BPF,
		unix.CAP_PERFMON, unix.CAP_SYSLOG, unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE, unix.CAP_SYS_RESOURCE, unix.CAP_LINUX_IMMUTABLE,
		unix.CAP_AUDIT_CONTROL, unix.CAP_CHECKPOINT_RESTORE} {
		if Serving.has(dangerous) {
			t.Errorf("capability %d is kept", dangerous)
		}
	}
}
