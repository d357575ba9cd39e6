package programs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// place is a file system that a test mounts over /dev/shm.
type place struct {
	name    string
	options string
	// plain marks the kernel's own tmpfs, which shows that a test demands nothing that tmpfs does not do.
	plain bool
}

// The kernel's tmpfs, and shmfs in its four modes.
var (
	tmpfs             = place{name: "tmpfs", plain: true}
	passthroughStrict = place{name: "passthrough strict", options: "require-passthrough,commit=strict"}
	passthroughLazy   = place{name: "passthrough lazy", options: "require-passthrough,commit=lazy"}
	cachedStrict      = place{name: "cached strict", options: "passthrough=off,commit=strict"}
	cachedLazy        = place{name: "cached lazy", options: "passthrough=off,commit=lazy"}
)

// everywhere is tmpfs and all modes of shmfs.
var everywhere = []place{tmpfs, passthroughStrict, passthroughLazy, cachedStrict, cachedLazy}

// with returns the place with further mount options.
func (p place) with(options string) place {
	p.options = strings.Trim(p.options+","+options, ",")
	return p
}

// mount mounts the place over /dev/shm. At the test's end nothing may be left in it, and it is unmounted.
func (p place) mount(t *testing.T) string {
	t.Helper()
	if p.plain {
		rig.TmpfsAt(t, rig.SharedMemory, p.options)
	} else {
		rig.ShmfsAt(t, rig.SharedMemory, p.options)
	}
	t.Cleanup(func() {
		if t.Failed() {
			return // what a failed test leaves tells nothing, and the mount may hang
		}
		if left := entries(t, rig.SharedMemory); len(left) != 0 {
			t.Errorf("left in %s: %q", rig.SharedMemory, left)
		}
	})
	return rig.SharedMemory
}

// inEach runs a test in every place, in the order given.
func inEach(t *testing.T, places []place, test func(*testing.T, place)) {
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) { test(t, place) })
	}
}

// entries lists a directory without the daemon's own tree, which is always there.
func entries(t *testing.T, directory string) []string {
	t.Helper()
	listed, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range listed {
		if entry.Name() != ".shmfs" {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names
}

// compileTimeout bounds one compiler's run, on a machine that does other work besides.
const compileTimeout = 5 * time.Minute

// compile builds a program of testdata with a compiler and returns its path.
func compile(t *testing.T, compiler, name string, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), strings.TrimSuffix(name, ".c"))
	arguments := append([]string{"-O2", "-Wall", "-o", program, source(t, name)}, flags...)
	rig.MustRun(t, "", compileTimeout, command(rig.Program(t, compiler), arguments...))
	return program
}

// source returns the absolute path of a file in testdata.
func source(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
