package inspectcli

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// watching starts `shmfs watch` and returns when the daemon has it as a reader.
func (m mounted) watching(t *testing.T, arguments ...string) *running {
	t.Helper()
	r := start(t, m.command(t, append([]string{"watch"}, arguments...)...))
	m.awaitReader(t)
	return r
}

func (m mounted) awaitReader(t *testing.T) {
	t.Helper()
	await(t, "a reader of events", func() bool {
		var figures struct {
			Readers int `json:"event-readers"`
		}
		m.tells(t, &figures, "stats")
		return figures.Readers == 1
	})
}

func TestWatch(t *testing.T) {
	inBothModes(t, "", func(t *testing.T, m mounted) {
		watch := m.watching(t)
		m.must(t, "", "create", "-s", "5K", evilName)
		m.must(t, "", "rm", evilName)
		watch.awaitText(t, " unlink ")
		watch.signal(t, unix.SIGINT)
		watch.requireCode(t, 130)
		text := watch.stdout.String()
		if isWild(text) {
			t.Errorf("it prints %q", text)
		}
		for _, words := range []string{` create      a\040\033[31m\012b\377 type=file by `, ` resize      a\040\033[31m\012b\377 size=5K `,
			` unlink      a\040\033[31m\012b\377 links=0 `, " user=root\n"} {
			if !strings.Contains(text, words) {
				t.Errorf("it does not print %q:\n%s", words, text)
			}
		}
	})
}

func TestWatchJSON(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	watch := m.watching(t, "--json")
	m.must(t, "", "create", "-s", "5K", "frames")
	m.must(t, "", "rm", "frames")
	watch.awaitText(t, `"event":"unlink"`)
	watch.signal(t, unix.SIGTERM)
	watch.requireCode(t, 143)
	last := 0
	for line := range strings.Lines(watch.stdout.String()) {
		var event struct{ Seq int }
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.Seq <= last {
			t.Errorf("after %d: %v: %s", last, err, line)
		}
		last = event.Seq
	}
}

// A watch ends with the mount: at once when that is detached, and when the daemon dies.
func TestWatchEndsWithTheMount(t *testing.T) {
	t.Parallel()
	t.Run("detached", func(t *testing.T) {
		m := mounted{t.TempDir()}
		m.must(t, "", "mount", m.directory)
		watch := m.watching(t)
		m.fails(t, 8, []string{"in use"}, "umount", m.directory)
		m.must(t, "", "umount", "--lazy", m.directory)
		watch.requireCode(t, 7)
		if text := watch.stderr.String(); !strings.Contains(text, "has ended") || strings.Count(text, "\n") != 1 {
			t.Errorf("it says %q", text)
		}
	})
	t.Run("daemon killed", func(t *testing.T) {
		m := mount(t, "")
		watch := m.watching(t)
		m.killDaemon(t)
		watch.requireCode(t, 7)
	})
}

func (m mounted) killDaemon(t *testing.T) {
	t.Helper()
	rig.DaemonOf(t, m.directory).Kill(t)
}

// When the daemon is gone every command says so.
func TestDaemonHasDied(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "-s", "1", "frames")
	m.killDaemon(t)
	for _, line := range []string{"ls", "stat frames", "who", "create -s 1 x", "truncate -s 1 frames", "rm frames", "dump frames", "load frames",
		"cat frames", "watch", "stats", "gc -n"} {
		m.fails(t, 7, []string{"the daemon of the shmfs on " + m.directory + " has died", "mount it again"}, strings.Fields(line)...)
	}
	got := m.run(t, "doctor")
	if got.code != 1 || got.stderr != "" || !strings.Contains(got.stdout, "has died\n") {
		t.Errorf("doctor: %+v", got)
	}
}

func TestStats(t *testing.T) {
	inBothModes(t, "size=64M", func(t *testing.T, m mounted) {
		m.must(t, "", "create", "-s", "5M", "frames")
		var figures struct {
			Mode    string
			Objects int
			Charged int64 `json:"bytes-charged"`
			Limit   int64 `json:"bytes-limit"`
			Creates int   `json:"requests-create"`
		}
		m.tells(t, &figures, "stats")
		wanted := "passthrough"
		if strings.HasSuffix(t.Name(), "cached") {
			wanted = "cached"
		}
		if figures.Mode != wanted || figures.Objects != 1 || figures.Charged != 5<<20 || figures.Limit != 64<<20 || figures.Creates != 1 {
			t.Errorf("they are %+v", figures)
		}
		text := m.prints(t, "stats")
		for _, words := range []string{"mode:            " + wanted + "\n", "bytes-charged:   5M\n", "bytes-limit:     64M\n", "\nREQUEST ", "\ncreate "} {
			if !strings.Contains(text, words) {
				t.Errorf("it does not print %q:\n%s", words, text)
			}
		}
	})
}

// Findings are of a form, and the exit code follows them.
func TestDoctor(t *testing.T) {
	t.Parallel()
	m := mount(t, "size=8M")
	m.must(t, "", "create", "-s", "7800K", "full")
	m.must(t, "", "sem", "create", "jobs")
	if got := m.finish(t, exec.Command("truncate", "-s", "7", m.path("sem.broken"))); got.code != 0 {
		t.Fatal(got.stderr)
	}
	got := m.run(t, "doctor", "--json")
	var findings []struct{ Level, Topic, Text, Remedy string }
	if err := json.Unmarshal([]byte(got.stdout), &findings); err != nil || got.code != 1 || got.stderr != "" {
		t.Fatalf("%v: %+v", err, got)
	}
	warned := map[string]string{}
	topics := map[string]bool{}
	for _, finding := range findings {
		topics[finding.Topic] = true
		if finding.Level == "warning" {
			warned[finding.Topic] = finding.Text + ": " + finding.Remedy
		}
	}
	for _, topic := range []string{"kernel", "fuse", "devshm", "libc", "users", "mode", "memory", "files", "semaphores", "leftovers"} {
		if !topics[topic] {
			t.Errorf("nothing is found of %s", topic)
		}
	}
	for topic, words := range map[string]string{"memory": "95% of the mount's 8M", "semaphores": "shmfs sem rm broken"} {
		if !strings.Contains(warned[topic], words) {
			t.Errorf("it does not warn of %s: %q in %s", topic, words, got.stdout)
		}
	}
}

// atTerminal is a command line of the shell at a terminal, whose keyboard is its standard input.
func (m mounted) atTerminal(t *testing.T, line string, environment ...string) *running {
	t.Helper()
	command := exec.Command(rig.Program(t, "script"), "--quiet", "--return", "--command", line, "/dev/null")
	command.Env = append(append(m.command(t).Env, "TERM=xterm", "SHELL=/bin/sh", "SHMFS="+rig.Binary(t)), environment...)
	return start(t, command)
}

func (r *running) press(t *testing.T, key string) {
	t.Helper()
	if _, err := r.stdin.Write([]byte(key)); err != nil {
		t.Fatal(err)
	}
}

const interruptKey = "\x03"

// At a terminal a followed dump redraws, marks what changes, and gives the cursor back.
func TestFollowAtATerminal(t *testing.T) {
	inBothModes(t, "", func(t *testing.T, m mounted) {
		for _, c := range []struct{ variable, mark string }{{"NO_COLOR=", "\x1b[1m\x1b[31m"}, {"NO_COLOR=1", "\x1b[7m"}} {
			m.writeFile(t, "frames", "0123")
			dump := m.atTerminal(t, `exec "$SHMFS" dump --follow --interval 20ms frames`, c.variable)
			dump.awaitText(t, "00000000: 3031 3233 ")
			overwrite := exec.Command("dd", "of="+m.path("frames"), "bs=1", "seek=2", "conv=notrunc", "status=none")
			overwrite.Stdin = strings.NewReader("x")
			if got := m.finish(t, overwrite); got.code != 0 {
				t.Fatal(got.stderr)
			}
			dump.awaitText(t, "00000000: 3031 "+c.mark+"78\x1b[0m33 ")
			dump.awaitText(t, "01"+c.mark+"x\x1b[0m3")
			dump.press(t, interruptKey)
			dump.requireCode(t, 130)
			if text := dump.stdout.String(); !strings.Contains(text, "\x1b[2J\x1b[?25l\x1b[H") || !strings.Contains(text, "\x1b[?25h") {
				t.Errorf("it prints %q", text)
			}
		}
	})
}

// Elsewhere it prints what changes.
func TestFollowIntoAPipe(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.writeFile(t, "frames", "0123456789abcdef0123")
	dump := start(t, m.command(t, "dump", "-f", "--interval", "0.02", "frames"))
	dump.awaitText(t, "00000010: 3031 3233")
	appended := exec.Command("sh", "-c", `printf x >> "$1"`, "sh", m.path("frames"))
	if got := m.finish(t, appended); got.code != 0 {
		t.Fatal(got.stderr)
	}
	dump.awaitText(t, "00000010: 3031 3233 78")
	dump.signal(t, unix.SIGINT)
	dump.requireCode(t, 130)
	if text := dump.stdout.String(); strings.Count(text, "00000000: ") != 1 || strings.Contains(text, "\x1b") {
		t.Errorf("it prints %q", text)
	}
}

// A load shows how far it is on a terminal only, and watch has colours there unless they are not wanted.
func TestAtATerminal(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	load := m.atTerminal(t, `exec "$SHMFS" load frames < "$CONTENTS"`, "CONTENTS="+fileWith(t, make([]byte, 3<<20)).Name())
	load.requireCode(t, 0)
	if text := load.stdout.String(); !strings.Contains(text, "100%") {
		t.Errorf("it prints %q", text)
	}
	for variable, mark := range map[string]string{"NO_COLOR=": "\x1b[31munlink     \x1b[0m", "NO_COLOR=1": " unlink      frames"} {
		watch := m.atTerminal(t, `exec "$SHMFS" watch`, variable)
		m.awaitReader(t)
		m.writeFile(t, "frames", "x")
		m.must(t, "", "rm", "frames")
		watch.awaitText(t, mark)
		watch.press(t, interruptKey)
		watch.requireCode(t, 130)
		if text := watch.stdout.String(); variable == "NO_COLOR=1" && strings.Contains(text, "\x1b") {
			t.Errorf("it has colours: %q", text)
		}
	}
	m.fails(t, 2, []string{"-s SIZE"}, "create", "x")
	refused := m.atTerminal(t, `exec "$SHMFS" load frames`)
	refused.requireCode(t, 2)
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "-s", "1", "frames")
	m.must(t, "", "create", "-s", "1", "fr\x1b[31m")
	if got := m.run(t, "__completeNoDesc", "stat", "fr"); got.code != 0 || !strings.HasPrefix(got.stdout, "frames\n:") {
		t.Errorf("it completes %+v", got)
	}
	script := m.prints(t, "completion", "bash")
	check := exec.Command("bash", "-n")
	check.Stdin = strings.NewReader(script)
	if got := m.finish(t, check); got.code != 0 || !strings.Contains(script, "shmfs") {
		t.Errorf("the script is none: %+v", got)
	}
	m.fails(t, 2, nil, "completion", "tcsh")
}
