package semcli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "NAME  VALUE  WAITERS  HELD  LAYOUT  STATE\n", "ls")
	m.must(t, "", "ls", "--noheadings")
	m.must(t, "[]\n", "ls", "--json")
	m.must(t, "", "create", "jobs", "3")
	m.must(t, "", "create", "abcdef", "0") // as long as the names that glibc makes up
	m.must(t, "", "create", "a b\x1b[31m\n", "12")
	for _, name := range []string{"sem.tmpXY1", "sem.bad"} {
		file, err := os.Create(filepath.Join(m.directory, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Truncate(7); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	run := start(t, m.command(t, "run", "jobs", "-n", "2", "--", "cat"))
	waiting := start(t, m.command(t, "wait", "abcdef"))
	m.await(t, "jobs", "held", "2")
	m.await(t, "abcdef", "waiters", "1")
	const want = `NAME                VALUE  WAITERS  HELD  LAYOUT  STATE
a\x20b\x1b[31m\n    12     0        0     glibc   ok
abcdef              0      1        0     glibc   ok
bad                 -      -        0     -       invalid`
	got := m.sem(t, "ls")
	lines := strings.Split(got.stdout, "\n")
	if got.code != 0 || got.stderr != "" || len(lines) != 6 {
		t.Fatalf("it ends with %d, prints\n%s%s", got.code, got.stdout, got.stderr)
	}
	for i, words := range append(strings.Split(want, "\n"), "jobs 1 0 2 glibc ok") {
		got, want := strings.Join(strings.Fields(lines[i]), " "), strings.Join(strings.Fields(words), " ")
		if !strings.HasPrefix(got, want) {
			t.Errorf("line %d is %q, want %q", i, got, want)
		}
	}
	requireJSON(t, m, run)
	if err := run.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	m.must(t, "", "post", "abcdef")
	if first, second := run.exitCode(t), waiting.exitCode(t); first != 0 || second != 0 {
		t.Errorf("they end with %d and %d", first, second)
	}
}

// requireJSON looks at the list of TestList for programs.
func requireJSON(t *testing.T, m mounted, run *running) {
	t.Helper()
	got := m.sem(t, "ls", "--json")
	var list []struct {
		Name    string
		Value   *int
		Waiters *int
		Held    int
		Initial *int
		Holders []struct {
			Pid     int
			Units   int
			Command string
		}
	}
	if err := json.Unmarshal([]byte(got.stdout), &list); err != nil || len(list) != 4 {
		t.Fatalf("%d semaphores, %v\n%s", len(list), err, got.stdout)
	}
	if odd := list[0]; odd.Name != "a b\x1b[31m\n" || *odd.Value != 12 || *odd.Initial != 12 {
		t.Errorf("the first is %+v", odd)
	}
	if bad := list[2]; bad.Name != "bad" || bad.Value != nil || bad.Waiters != nil {
		t.Errorf("the invalid one is %+v", bad)
	}
	jobs := list[3]
	if jobs.Held != 2 || len(jobs.Holders) != 1 || jobs.Holders[0].Pid != run.command.Process.Pid || jobs.Holders[0].Units != 2 {
		t.Errorf("the held one is %+v", jobs)
	}
}

// What a terminal would obey does not reach it, whatever command is asked.
func TestNamesAreEscapedInErrors(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	const name = "\x1b[2J\x9b"
	for _, arguments := range [][]string{
		{"get", name}, {"rm", name}, {"post", name}, {"run", name, "--", "true"}, {"run", "x", "--", name},
	} {
		got := m.sem(t, arguments...)
		raw := strings.Contains(got.stderr, "\x1b") || strings.Contains(got.stderr, "\x9b")
		if got.code == 0 || raw || !strings.Contains(got.stderr, `\x1b[2J\x9b`) {
			t.Errorf("%q ends with %d: %q", arguments, got.code, got.stderr)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	for _, name := range []string{"jobs", "jolly", "other", "jo\nb"} {
		m.must(t, "", "create", name)
	}
	for _, command := range []string{"get", "post", "run", "rm"} {
		completing := m.command(t)
		completing.Args = append([]string{completing.Args[0], "__complete"}, append(completing.Args[1:], command, "jo")...)
		if got := m.finish(t, completing); !strings.HasPrefix(got.stdout, "jobs\njolly\n:") {
			t.Errorf("%s is completed with\n%s", command, got.stdout)
		}
	}
}
