package inspectcli

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// An object's life through the command line alone.
func TestObjects(t *testing.T) {
	inBothModes(t, "size=16M", func(t *testing.T, m mounted) {
		m.must(t, "", "create", "-s", "1M", "-m", "640", "frames")
		m.must(t, "frames 1048576 0640\n", "ls", "--noheadings", "--bytes", "-o", "name,size,mode")
		m.fails(t, 1, []string{`"frames" exists already`, "shmfs rm frames"}, "create", "-s", "1", "frames")
		m.fails(t, 1, []string{"no space left", "remount,size=SIZE", "gc --dry-run"}, "create", "-s", "1G", "large")
		m.fails(t, 1, []string{`"large" does not exist`}, "stat", "large")
		m.fails(t, 2, []string{"shmfs sem create"}, "create", "-s", "1", "sem.jobs")
		m.fails(t, 1, []string{"mkdir"}, "create", "-s", "1", "none/x")

		m.must(t, "", "truncate", "-s", "+4K", "frames")
		m.must(t, "", "truncate", "-s", "-1K", "frames")
		m.must(t, "1051648\n", "ls", "--noheadings", "-b", "-o", "size", "frames")
		m.fails(t, 1, []string{"no space left"}, "truncate", "-s", "1T", "frames")
		m.fails(t, 2, []string{"1051648 bytes"}, "truncate", "-s", "-2M", "frames")
		m.must(t, "1M\n", "ls", "--noheadings", "-o", "size", "frames")

		m.must(t, "", "rm", "frames")
		m.fails(t, 1, []string{`"frames" does not exist`, "shmfs ls"}, "rm", "frames")
		m.must(t, "[]\n", "ls", "--json")
	})
}

// What goes in comes out, whatever was there before, and dump shows it as xxd does.
func TestContents(t *testing.T) {
	inBothModes(t, "size=16M", func(t *testing.T, m mounted) {
		xxd := rig.Program(t, "xxd")
		for _, size := range []int{300_000, 0, 17, 5 << 20, 4096} {
			contents := make([]byte, size)
			for i := range contents {
				contents[i] = byte(i ^ i>>8 ^ size)
			}
			for _, regular := range []bool{false, true} {
				load := m.command(t, "load", "filled")
				load.Stdin = strings.NewReader(string(contents))
				if regular {
					load.Stdin = fileWith(t, contents)
				}
				if got := m.finish(t, load); got != (result{}) {
					t.Fatalf("load of %d bytes: %+v", size, got)
				}
				if got := m.prints(t, "cat", "filled"); got != string(contents) {
					t.Fatalf("cat prints %d bytes, others than the %d that were loaded", len(got), size)
				}
			}
			if size > 1<<20 {
				continue
			}
			want := m.finish(t, exec.Command(xxd, fileWith(t, contents).Name()))
			m.must(t, want.stdout, "dump", "filled")
			part := m.finish(t, exec.Command(xxd, "-s", "0x11", "-l", "1000", fileWith(t, contents).Name()))
			if size > 17 {
				m.must(t, part.stdout, "dump", "--offset", "0x11", "--length", "1000", "filled")
			}
		}
	})
}

func fileWith(t *testing.T, contents []byte) *os.File {
	t.Helper()
	file, err := os.Create(t.TempDir() + "/contents")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	if _, err := file.Write(contents); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	return file
}

// What does not fit leaves no new object, and an old one as it was where its size is known before.
func TestLoadOfTooMuch(t *testing.T) {
	inBothModes(t, "size=1M", func(t *testing.T, m mounted) {
		m.writeFile(t, "old", "as it was")
		for name, input := range map[string]*os.File{"old": fileWith(t, make([]byte, 2<<20)), "new": fileWith(t, make([]byte, 2<<20))} {
			load := m.command(t, "load", name)
			load.Stdin = input
			if got := m.finish(t, load); got.code != 1 || !strings.Contains(got.stderr, "no space left") || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("%s: %+v", name, got)
			}
		}
		m.must(t, "as it was", "cat", "old")
		m.must(t, "old\n", "ls", "--noheadings", "-o", "name")
	})
}

func TestSemaphoresAreNoObjects(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "sem", "create", "jobs", "3")
	for _, arguments := range [][]string{{"truncate", "-s", "0", "sem.jobs"}, {"load", "sem.jobs"}} {
		m.fails(t, 2, []string{"is a semaphore"}, arguments...)
	}
	m.fails(t, 1, []string{"sem.jobs"}, "cat", "jobs")
	m.must(t, m.prints(t, "sem", "get", "--all", "jobs"), "cat", "sem.jobs")
	var status struct {
		Type  string
		Value int
	}
	if m.tells(t, &status, "stat", "sem.jobs"); status.Type != "semaphore" || status.Value != 3 {
		t.Errorf("its status is %+v", status)
	}
	m.must(t, "", "rm", "sem.jobs")
	m.must(t, "[]\n", "sem", "ls", "--json")
}

// Names of any bytes work, and reach neither a terminal raw nor break a line.
func TestEvilNames(t *testing.T) {
	inBothModes(t, "", func(t *testing.T, m mounted) {
		m.must(t, "", "create", "-s", "4K", evilName)
		m.must(t, `a\040\033[31m\012b\377`+"\n", "ls", "--noheadings", "-o", "name")
		user := m.user(t, evilName)
		for _, arguments := range [][]string{
			{"ls"}, {"ls", "--json"}, {"stat", evilName}, {"stat", "--json", evilName}, {"who"}, {"who", "--json", evilName}, {"gc", "-n"}, {"doctor"},
			{"create", "-s", "1", evilName}, {"stat", evilName + "x"}, {"rm", evilName + "x"}, {"truncate", "-s", "-1M", evilName},
		} {
			got := m.run(t, arguments...)
			if text := got.stdout + got.stderr; isWild(text) || text == "" {
				t.Errorf("%q prints %q", arguments, text)
			}
		}
		m.settles(t, `a\040\033[31m\012b\377 `+strconv.Itoa(user.command.Process.Pid)+"\n", "who", "--noheadings", "-o", "object,pid")
		var rows []struct {
			Object string `json:"object"`
			Bytes  []byte `json:"object_bytes"`
			PID    int    `json:"pid"`
			Mapped int    `json:"mapped"`
		}
		m.tells(t, &rows, "who", evilName)
		if len(rows) != 1 || string(rows[0].Bytes) != evilName || rows[0].PID != user.command.Process.Pid || rows[0].Mapped != 4096 {
			t.Errorf("who says %+v", rows)
		}
		m.must(t, "", "truncate", "-s", "1", evilName)
		m.must(t, "00000000: 78                                       x\n", "dump", evilName)
		m.must(t, "", "rm", evilName)
	})
}

// Who uses an object is shown by who and stat, and gc leaves it alone until nobody does.
func TestUsers(t *testing.T) {
	inBothModes(t, "", func(t *testing.T, m mounted) {
		m.must(t, "", "create", "-s", "8K", "used")
		m.must(t, "", "create", "-s", "8K", "unused")
		user := m.user(t, "used")
		pid := strconv.Itoa(user.command.Process.Pid)
		m.settles(t, "used "+pid+" root 1 read,write 8K rw- shared\n", "who", "--noheadings", "-o", "object,pid,user,open,flags,mapped,protection,sharing")
		m.settles(t, "", "who", "--noheadings", "unused")
		m.fails(t, 1, []string{"does not exist"}, "who", "none")
		var status struct {
			Opens, Mappers int
			Mapper         []struct{ PID, Bytes int }
			Open           []struct{ PID int }
		}
		m.tells(t, &status, "stat", "used")
		if status.Opens != 1 || status.Mappers != 1 || len(status.Mapper) != 1 || len(status.Open) != 1 ||
			status.Mapper[0].PID != user.command.Process.Pid || status.Mapper[0].Bytes != 8192 || status.Open[0].PID != user.command.Process.Pid {
			t.Errorf("stat says %+v", status)
		}
		m.settles(t, "unused\n", "gc", "--dry-run", "--noheadings", "-o", "name")
		m.must(t, "", "gc", "--force", "--noheadings", "--older", "1h")
		m.must(t, "unused\n", "gc", "--force", "--noheadings", "-o", "name")
		m.must(t, "used\n", "ls", "--noheadings", "-o", "name")
		if err := user.stdin.Close(); err != nil {
			t.Fatal(err)
		}
		user.requireCode(t, 0)
		m.settles(t, "used\n", "gc", "-n", "--noheadings", "-o", "name")
		m.must(t, "used\n", "gc", "--force", "--noheadings", "-o", "name")
		if err := unix.Access(m.path("used"), unix.F_OK); !errors.Is(err, unix.ENOENT) {
			t.Errorf("it is left: %v", err)
		}
	})
}

func TestListing(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	for name, size := range map[string]string{"a": "3K", "b": "20K", "c": "100"} {
		m.must(t, "", "create", "-s", size, name)
	}
	if err := os.Mkdir(m.path("d"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.must(t, "", "create", "-s", "1", "d/e")
	m.must(t, "b\na\nc\n", "ls", "--noheadings", "-o", "name", "--sort", "-size", "a", "b", "c")
	m.must(t, "d/e\n", "ls", "--noheadings", "-o", "name", "d/e")
	m.must(t, "NAME SIZE OWNER\nb     20K root\n", "ls", "-o", "name,size,owner", "b")
	m.must(t, `[{"name":"b","size":20480}]`+"\n", "ls", "--json", "-o", "name,size", "b")
	m.fails(t, 1, []string{`"none" does not exist`}, "ls", "a", "none")
	m.fails(t, 2, []string{"NAME,TYPE,SIZE"}, "ls", "-o", "colour")
	m.fails(t, 1, []string{"is a directory"}, "stat", "d")
	m.fails(t, 1, []string{"rmdir"}, "rm", "d")
	got := m.run(t, "rm", "none", "a", "d", "c")
	if got.code != 1 || strings.Count(got.stderr, "\n") != 2 || strings.Count(got.stderr, "shmfs: ") != 2 {
		t.Errorf("rm of several: %+v", got)
	}
	m.must(t, "b\nd\nd/e\n", "ls", "--noheadings", "-o", "name")
}
