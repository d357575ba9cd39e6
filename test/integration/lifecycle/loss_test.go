package lifecycle_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// notes returns the paths of the notes that tell of a mount, by its device number in the mount table.
func notes(t *testing.T, device string) []string {
	t.Helper()
	paths, err := filepath.Glob("/run/shmfs/mount-*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), `"Device":"`+device+`"`) {
			found = append(found, path)
		}
	}
	return found
}

// deviceOf returns a mount's device number as the mount table has it.
func deviceOf(t *testing.T, directory string) string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); fields[4] == directory {
			return fields[2]
		}
	}
	t.Fatalf("nothing is mounted on %s", directory)
	return ""
}

// When all processes of a mount are gone, whoever mounts again or unmounts is told what is lost, and until when it was served.
func TestLossIsTold(t *testing.T) {
	t.Parallel()
	const lost = "open files and locks are lost, and what programs have mapped has no name any more"
	for _, kind := range []string{"memory", "directory"} {
		for _, command := range []string{"mount", "umount"} {
			t.Run(kind+" "+command, func(t *testing.T) {
				t.Parallel()
				store, words := "tmpfs", "all its objects were in memory and are lost"
				if kind == "directory" {
					store = rig.Tmpfs(t, "")
					words = "its objects are still in \"" + store + "\""
				}
				before := time.Now().Add(-time.Second)
				directory := mounted(t, "-o", "store="+store)
				writeFile(t, filepath.Join(directory, "object"), "text")
				killSupervisor(t, directory) // its successor knows as much
				device := deviceOf(t, directory)
				rig.DaemonOf(t, directory).Kill(t)
				got := shmfs(t, command, directory)
				if got.code != 0 {
					t.Errorf("exit code %d", got.code)
				}
				requireLine(t, got, "stale mount", directory, "its daemon had died", words, lost)
				requireTimes(t, got.stderr, before, time.Now())
				if kind == "directory" {
					requireText(t, filepath.Join(store, "object"), "text")
				}
				if command == "umount" {
					return
				}
				if deviceOf(t, directory) == device && len(notes(t, device)) != 1 {
					t.Errorf("the notes of one mount are %v", notes(t, device))
				}
				unmount(t, directory)
			})
		}
	}
}

// requireTimes checks that a line tells two times in order, which lie between others.
func requireTimes(t *testing.T, line string, earliest, latest time.Time) {
	t.Helper()
	texts := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`).FindAllString(line, -1)
	if len(texts) != 2 {
		t.Fatalf("the line tells the times %v: %s", texts, line)
	}
	for _, text := range texts {
		told, err := time.ParseInLocation(time.DateTime, text, time.Local)
		if err != nil || told.Before(earliest) || told.After(latest) {
			t.Errorf("the line tells of %v, which is not between %v and %v: %v", told, earliest, latest, err)
		}
		earliest = told
	}
}

// A mount that has ended leaves no note, whoever of its processes sees to it.
func TestNoteEndsWithItsMount(t *testing.T) {
	t.Parallel()
	for _, succeeded := range []bool{false, true} {
		directory := mounted(t)
		paths := notes(t, deviceOf(t, directory))
		if len(paths) != 1 {
			t.Fatalf("the notes of a mount are %v", paths)
		}
		if succeeded {
			killSupervisor(t, directory)
		}
		unmount(t, directory)
		if _, err := os.Lstat(paths[0]); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", paths[0], err)
		}
	}
}

// Without a note, what holds for every mount is told.
func TestLossWithoutANote(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	for _, path := range notes(t, deviceOf(t, directory)) {
		if err := unix.Unlink(path); err != nil {
			t.Fatal(err)
		}
	}
	rig.DaemonOf(t, directory).Kill(t)
	got := shmfs(t, "umount", directory)
	requireLine(t, got, "stale mount", "objects in memory are lost, those in a directory store are still there")
}
