package semcli

import "testing"

// Without passthrough everything works that does not have to wait; what would have to is refused with the reason.
func TestCached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		test func(*testing.T, mounted)
	}{
		{"operations", requireOperations},
		{"statuses", requireStatuses},
		{"holding", requireHolding},
		{"killed", requireKilledRunGivesBack},
		{"waiting", requireWaitRefused},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, mount(t, "passthrough=off")) })
	}
}

func requireWaitRefused(t *testing.T, m mounted) {
	t.Helper()
	words := []string{`"empty"`, "without passthrough", "as root on Linux 6.9 or later"}
	m.must(t, "", "create", "empty", "0")
	for _, arguments := range [][]string{
		{"wait", "empty"}, {"wait", "--timeout", "5", "empty"}, {"run", "empty", "--", "echo", "run"}, {"run", "empty", "--timeout", "5", "--", "echo", "run"},
	} {
		m.fails(t, 1, words, arguments...)
	}
	m.fails(t, 124, nil, "wait", "--timeout", "0", "empty")
	m.fails(t, 1, []string{"no unit free"}, "trywait", "empty")
	m.must(t, "0\n", "get", "empty")
}
