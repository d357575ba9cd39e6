package semcli

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWaitIsWokenByPost(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs", "0")
	for _, arguments := range [][]string{{"wait", "jobs"}, {"wait", "--timeout", "1h", "jobs"}, {"run", "jobs", "--", "true"}} {
		waiting := start(t, m.command(t, arguments...))
		m.await(t, "jobs", "waiters", "1")
		m.must(t, "", "post", "jobs")
		if code := waiting.exitCode(t); code != 0 {
			t.Errorf("%q ends with %d: %s", arguments, code, waiting.stderr)
		}
		m.must(t, "", "set", "jobs", "0")
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs", "0")
	for _, arguments := range [][]string{
		{"wait", "--timeout", "0.2", "jobs"}, {"wait", "--timeout", "200ms", "jobs"},
		{"run", "jobs", "--timeout", "200ms", "--", "false"},
	} {
		began := time.Now()
		m.fails(t, 124, []string{`"jobs"`, "no units within 200ms"}, arguments...)
		if passed := time.Since(began); passed < 200*time.Millisecond {
			t.Errorf("%q gives up after %v", arguments, passed)
		}
	}
	m.fails(t, 124, nil, "wait", "--timeout", "0", "jobs")
	m.must(t, "", "post", "jobs")
	m.must(t, "", "wait", "--timeout", "0", "jobs")
	if waiters := m.tells(t, "jobs", "waiters"); waiters != "0" {
		t.Errorf("%s waiters are left", waiters)
	}
}

// endingSignals end any program that does nothing about them.
var endingSignals = []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}

// A signal ends who waits; nothing was taken, and the command is not run.
func TestSignalEndsWaiting(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs", "0")
	for _, signal := range endingSignals {
		for _, arguments := range [][]string{
			{"wait", "jobs"}, {"wait", "--timeout", "1h", "jobs"},
			{"run", "jobs", "--", "echo", "run"}, {"run", "jobs", "--timeout", "1h", "--", "echo", "run"},
		} {
			waiting := start(t, m.command(t, arguments...))
			m.await(t, "jobs", "waiters", "1")
			waiting.signal(t, signal)
			if code := waiting.exitCode(t); code != 128+int(signal) {
				t.Errorf("%v ends %q with %d", signal, arguments, code)
			}
			if said := waiting.stdout.String() + waiting.stderr.String(); said != "" {
				t.Errorf("%q says %q at %v", arguments, said, signal)
			}
			m.await(t, "jobs", "waiters", "0")
		}
	}
	m.must(t, "", "post", "jobs")
	m.must(t, "1\n", "get", "jobs")
}

// What does not end a program leaves it waiting: it stops, goes on and is told of its terminal's size.
func TestSignalsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs", "0")
	for _, arguments := range [][]string{{"wait", "jobs"}, {"wait", "--timeout", "1h", "jobs"}, {"run", "jobs", "--", "true"}} {
		waiting := start(t, m.command(t, arguments...))
		m.await(t, "jobs", "waiters", "1")
		for range 20 {
			waiting.signal(t, unix.SIGWINCH)
			waiting.signal(t, unix.SIGURG)
			waiting.signal(t, unix.SIGSTOP)
			waiting.signal(t, unix.SIGCONT)
		}
		m.must(t, "", "post", "jobs")
		if code := waiting.exitCode(t); code != 0 {
			t.Errorf("%q ends with %d: %s", arguments, code, waiting.stderr)
		}
		m.await(t, "jobs", "waiters", "0")
		m.must(t, "", "set", "jobs", "0")
	}
}

func TestKilledWhileWaiting(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs", "0")
	for _, arguments := range [][]string{{"wait", "jobs"}, {"run", "jobs", "--", "true"}} {
		waiting := start(t, m.command(t, arguments...))
		m.await(t, "jobs", "waiters", "1")
		waiting.signal(t, unix.SIGKILL)
		waiting.exitCode(t)
		m.await(t, "jobs", "waiters", "0")
	}
	m.must(t, "", "post", "jobs")
	m.must(t, "1\n", "get", "jobs")
}
