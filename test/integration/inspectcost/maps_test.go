package inspectcost

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shmfs/fs/table"
	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// TestMaps has many processes map objects: all of their mappings are in the table, which takes no longer than a few times of what grep
// takes over the same files of /proc.
func TestMaps(t *testing.T) {
	const processes, mappings = 300, 1000
	place := mount(t)
	program := calls(t)
	var objects []string
	for i := range 20 {
		path := filepath.Join(place, fmt.Sprint("object ", i))
		must(t, os.WriteFile(path, make([]byte, 64<<10), 0o644))
		objects = append(objects, path)
	}
	own := t.TempDir()
	start(t, exec.Command(program, append([]string{"hold", fmt.Sprint(processes), fmt.Sprint(mappings), own}, objects...)...))
	arguments := append([]string{"--pid", "--mount", "--fork", "--kill-child", program, "hold", "1", "7", "-"}, objects...)
	elsewhere := start(t, exec.Command(rig.Program(t, "unshare"), arguments...))

	device := deviceOf(t, place)
	want := map[string]int{}
	for i := range processes {
		content, err := os.ReadFile(filepath.Join(own, fmt.Sprint(i)))
		must(t, err)
		addLines(want, string(content), device)
	}
	for _, child := range descendants(t, elsewhere.pid) {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", child))
		must(t, err)
		addLines(want, string(content), device)
	}
	requireMaps(t, place, want, mappings+7)

	pattern := fmt.Sprintf(" %s ", device)
	took := func(script string) time.Duration {
		began := time.Now()
		rig.MustRun(t, place, patience, first(t, "sh", "-c", script, "sh", info(place, "maps"), pattern))
		return time.Since(began)
	}
	cat, grep := time.Hour, time.Hour
	for range 7 {
		cat = min(cat, took(`cat "$1" >/dev/null`))
		grep = min(grep, took(`grep -h -e "$2" /proc/[0-9]*/maps >/dev/null 2>&1; true`))
	}
	t.Logf("cat %v, grep %v", cat, grep)
	requireWithin(t, "cat .shmfs/maps against grep over /proc/*/maps, times", cat.Seconds()/grep.Seconds(), 3, 30)
}

// deviceOf is how maps writes a mount's device.
func deviceOf(t *testing.T, place string) string {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Stat(place, &stat))
	return fmt.Sprintf("%02x:%02x", unix.Major(stat.Dev), unix.Minor(stat.Dev))
}

// addLines counts the lines of a file of maps that are about a device, by range, protection, offset and inode.
func addLines(to map[string]int, content, device string) {
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) > 4 && fields[3] == device {
			var offset uint64
			_, _ = fmt.Sscanf(fields[2], "%x", &offset)
			start, end, _ := strings.Cut(fields[0], "-")
			sharing := map[byte]string{'s': "shared", 'p': "private"}[fields[1][3]]
			to[fmt.Sprintf("%s-%s %s %s %d", strings.TrimLeft(start, "0"), strings.TrimLeft(end, "0"), fields[1][:3], sharing, offset)]++
		}
	}
}

// requireMaps fails the test unless the table has just these.
func requireMaps(t *testing.T, place string, want map[string]int, count int) {
	t.Helper()
	content, err := os.ReadFile(info(place, "maps"))
	must(t, err)
	parsed, err := table.Parse(content)
	must(t, err)
	got := map[string]int{}
	field := func(row []string, name string) string { return row[parsed.Column(name)] }
	for _, row := range parsed.Rows {
		got[strings.Join([]string{field(row, "START-END"), field(row, "PROTECTION"), field(row, "SHARING"), field(row, "OFFSET")}, " ")]++
	}
	if len(parsed.Rows) != count {
		t.Errorf("maps has %d lines, want %d", len(parsed.Rows), count)
	}
	for line, times := range want {
		if got[line] != times {
			t.Errorf("maps has %s %d times, want %d", line, got[line], times)
		}
	}
}

// descendants returns a process's children and theirs.
func descendants(t *testing.T, process int) []int {
	t.Helper()
	var all []int
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", process, process))
	must(t, err)
	for _, word := range strings.Fields(string(content)) {
		var child int
		_, err := fmt.Sscan(word, &child)
		must(t, err)
		all = append(append(all, child), descendants(t, child)...)
	}
	return all
}
