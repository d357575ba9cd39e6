package semcli

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

func TestOperations(t *testing.T) {
	requireOperations(t, mount(t, ""))
}

// requireOperations goes once through what works wherever no command has to wait.
func requireOperations(t *testing.T, m mounted) {
	t.Helper()
	m.must(t, "", "create", "jobs")
	m.must(t, "1\n", "get", "jobs")
	m.must(t, "", "post", "/jobs")
	m.must(t, "", "post", "jobs", "3")
	m.must(t, "5\n", "get", "jobs")
	m.must(t, "", "trywait", "jobs")
	m.must(t, "", "wait", "jobs")
	m.must(t, "", "wait", "--timeout", "5", "jobs")
	m.must(t, "2\n", "get", "jobs")
	m.must(t, "", "set", "jobs", "0")
	m.fails(t, 1, []string{`"jobs"`, "no unit free", "shmfs sem wait jobs"}, "trywait", "jobs")
	m.must(t, "", "reset", "jobs")
	m.must(t, "1\n", "get", "jobs")
	m.fails(t, 1, []string{"2147483647"}, "post", "jobs", "2147483647")
	m.must(t, "1\n", "get", "jobs")
	m.must(t, "", "rm", "jobs")
	m.fails(t, 1, []string{`semaphore "jobs" does not exist`, "shmfs sem ls"}, "rm", "jobs")
}

// What the file tells and what the command shows are the same.
func TestGetAll(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs", "3")
	text := m.finish(t, exec.Command("cat", m.directory+"/sem.jobs"))
	got := m.sem(t, "get", "--all", "jobs")
	if got.code != 0 || got.stdout != text.stdout || !strings.HasPrefix(got.stdout, "value: 3\nwaiters: 0\nstate: ok\n") {
		t.Errorf("it shows\n%s\nwant\n%s\n%s", got.stdout, text.stdout, got.stderr)
	}
}

func TestEveryCommandSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	words := []string{`semaphore "x" does not exist: create it with shmfs sem create x`}
	for _, arguments := range [][]string{
		{"get", "x"}, {"get", "--all", "x"}, {"post", "x"}, {"wait", "x"}, {"trywait", "x"}, {"set", "x", "1"}, {"reset", "x"},
		{"run", "x", "--", "true"},
	} {
		m.fails(t, 1, words, arguments...)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	for _, c := range []struct {
		words     []string
		arguments []string
	}{
		{[]string{"a command is missing", "shmfs sem --help"}, nil},
		{[]string{"empty"}, []string{"get", ""}},
		{[]string{"slash"}, []string{"get", "a/b"}},
		{[]string{"252 bytes", "251"}, []string{"get", strings.Repeat("n", 252)}},
		{[]string{"--timeout"}, []string{"wait", "--timeout", "soon", "x"}},
		{[]string{"put -- before"}, []string{"run", "x", "true"}},
	} {
		m.fails(t, 2, c.words, c.arguments...)
	}
	longest := strings.Repeat("n", 251)
	m.must(t, "", "create", longest)
	m.must(t, "1\n", "get", longest)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "--value", "7", "seven")
	m.must(t, "7\n", "get", "seven")
	m.must(t, "", "create", "none", "0")
	m.must(t, "0\n", "get", "none")
	m.must(t, "", "create", "most", "2147483647")
	m.must(t, "2147483647\n", "get", "most")
	m.fails(t, 1, []string{`"seven" exists already`, "shmfs sem rm seven"}, "create", "seven", "3")
	m.must(t, "7\n", "get", "seven")
	m.must(t, "", "create", "-m", "624", "closed")
	for name, want := range map[string]os.FileMode{"seven": 0o644, "closed": 0o624} {
		if info, err := os.Stat(m.directory + "/sem." + name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

// Of many who create one name at a time, one does.
func TestCreateRace(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	for round := range 5 {
		name := fmt.Sprintf("race%d", round)
		var commands []*exec.Cmd
		for value := range 6 {
			commands = append(commands, m.command(t, "create", name, fmt.Sprint(value)))
		}
		made := ""
		for i, ended := range rig.Run(t, m.directory, limit, commands...) {
			got := result{codeOf(t, commands[i], ended.Err), ended.Stdout, ended.Stderr}
			if got.code != 0 {
				requireFailure(t, got, 1, "exists already")
				continue
			}
			if made != "" {
				t.Errorf("two have created %s", name)
			}
			made = fmt.Sprintf("%d\n", i)
		}
		m.must(t, made, "get", name)
	}
}

// A semaphore whose file was cut off can be removed, and nothing else.
func TestInvalid(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs", "3")
	if m.tells(t, "jobs", "initial") != "3" {
		t.Error("the initial value is not told")
	}
	if err := os.Truncate(m.directory+"/sem.jobs", 7); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"get", "reset"} {
		m.fails(t, 1, []string{`"jobs" has no value`, "invalid", "shmfs sem rm jobs"}, command, "jobs")
	}
	for _, arguments := range [][]string{
		{"post", "jobs"}, {"wait", "jobs"}, {"trywait", "jobs"}, {"set", "jobs", "1"}, {"run", "jobs", "--", "true"},
	} {
		m.fails(t, 1, []string{"no valid semaphore", "shmfs sem get --all jobs"}, arguments...)
	}
	m.must(t, "", "rm", "jobs")
}

func TestReadOnlyMount(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs", "3")
	const readOnly = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	if err := unix.Mount("", m.directory, "", readOnly, ""); err != nil {
		t.Fatal(err)
	}
	m.must(t, "3\n", "get", "jobs")
	for _, arguments := range [][]string{{"create", "more"}, {"post", "jobs"}, {"run", "jobs", "--", "true"}, {"rm", "jobs"}} {
		m.fails(t, 1, []string{"read-only"}, arguments...)
	}
}
