package conformance

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// test states one fact about a file system in an empty directory of mode 0777 that is its own.
type test func(t *testing.T, dir string)

// mounter mounts a file system with further options and returns its root.
type mounter func(t *testing.T, options string) string

// mountTest states a fact that needs a mount of its own.
type mountTest func(t *testing.T, mount mounter)

func TestMain(m *testing.M) {
	if name := os.Getenv(stepVariable); name != "" {
		os.Exit(runStep(name))
	}
	unix.Umask(0) // a mode that is asked for is the mode that is got; the umask has its own tests
	status := rig.RunPrivately(m)
	if err := removeMapper(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// TestConformance runs every test on tmpfs first and then on shmfs in each configuration.
func TestConformance(t *testing.T) {
	for _, c := range configurations {
		t.Run(c.name, func(t *testing.T) { runConfiguration(t, c) })
	}
}

func runConfiguration(t *testing.T, c configuration) {
	if unix.Geteuid() != 0 {
		t.Fatal("the conformance suite mounts file systems and acts as several users: run it as root")
	}
	root := c.mount(t, "")
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			body := tests[name]
			if d := differenceFor(name, c); d != nil {
				t.Logf("differs from tmpfs: %s", d.reason)
				body = d.instead
			}
			runInDirectory(t, root, body)
		})
	}
	for _, name := range slices.Sorted(maps.Keys(mountTests)) {
		t.Run(name, func(t *testing.T) {
			body := mountTests[name]
			if d := differenceFor(name, c); d != nil {
				t.Logf("differs from tmpfs: %s", d.reason)
				body = d.insteadMounted
			}
			body(t, c.mount)
		})
	}
	if c.is("shmfs") {
		for _, name := range slices.Sorted(maps.Keys(betterTests)) {
			t.Run(name, func(t *testing.T) { runInDirectory(t, root, betterTests[name]) })
		}
	}
	if c.is("strict") {
		for _, name := range slices.Sorted(maps.Keys(strictTests)) {
			t.Run(name, func(t *testing.T) { strictTests[name](t, c.mount) })
		}
	}
}

// runInDirectory gives the test its directory and requires that all space and inodes it used come back.
func runInDirectory(t *testing.T, root string, body test) {
	before := statfs(t, root)
	dir := filepath.Join(root, "test")
	mkdir(t, dir, 0o777)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the test's directory: %v", err)
		}
		eventually(t, "all blocks and inodes are free again", func() bool {
			after := statfs(t, root)
			return after.Bfree == before.Bfree && after.Ffree == before.Ffree
		})
	})
	body(t, dir)
}

// joined makes one map of the subjects' maps; the name of a test is SUBJECT/FACT.
func joined[V any](subjects map[string]map[string]V) map[string]V {
	all := map[string]V{}
	for subject, facts := range subjects {
		for fact, body := range facts {
			all[subject+"/"+fact] = body
		}
	}
	return all
}

// configuration is one kind of mount under test.
type configuration struct {
	name    string   // as in the test's name
	tags    []string // what a difference may depend on
	options string   // of shmfs; empty for tmpfs
}

var configurations = []configuration{
	{"tmpfs", []string{"tmpfs"}, ""},
	{"passthrough-strict", []string{"shmfs", "passthrough", "strict"}, "require-passthrough,commit=strict"},
	{"passthrough-lazy", []string{"shmfs", "passthrough", "lazy"}, "require-passthrough,commit=lazy"},
	{"cached-strict", []string{"shmfs", "cached", "strict"}, "passthrough=off,commit=strict"},
	{"cached-lazy", []string{"shmfs", "cached", "lazy"}, "passthrough=off,commit=lazy"},
}

// is reports whether every tag in the space-separated list belongs to the configuration.
func (c configuration) is(tags string) bool {
	for _, tag := range strings.Fields(tags) {
		if !slices.Contains(c.tags, tag) {
			return false
		}
	}
	return true
}

// mount mounts a file system of 256 MiB, or of the size among the options.
func (c configuration) mount(t *testing.T, options string) string {
	t.Helper()
	list := strings.FieldsFunc(options, func(r rune) bool { return r == ',' })
	if !strings.Contains(options, "size=") {
		list = append(list, "size=256m")
	}
	if c.is("shmfs") {
		return rig.Shmfs(t, strings.Join(append(list, c.options), ","))
	}
	noexec := slices.Index(list, "noexec")
	if noexec < 0 {
		return rig.Tmpfs(t, strings.Join(list, ","))
	}
	dir := rig.Tmpfs(t, strings.Join(slices.Delete(list, noexec, noexec+1), ","))
	flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	ok(t, unix.Mount("", dir, "", flags, ""), "making the tmpfs noexec")
	return dir
}
