//go:build crashpoints

package crashpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Enabled is whether Here can kill.
const Enabled = true

// Here is a place at which the process may be killed by a test. It returns unless it kills. It panics when what the
// environment asks for cannot be had: a test must not go on without it.
func Here(name string) {
	if told := watcher.Load(); told != nil {
		(*told)(name)
	}
	for _, control := range controls() {
		if control.visit(name) {
			die()
		}
	}
}

// watcher is whom Watch has told of visits, or nil.
var watcher atomic.Pointer[func(name string)]

// Watch has a function told of each visit, by whoever makes it, until stop is called. It is for tests that play several processes in
// one: one that is to have died does not return from the function.
func Watch(visited func(name string)) (stop func()) {
	watcher.Store(&visited)
	return func() { watcher.Store(nil) }
}

// controls are those that the environment asks for.
var controls = sync.OnceValue(func() (controls []*Control) {
	if asked := os.Getenv("SHMFS_CRASH"); asked != "" {
		name, visit, err := parse(asked)
		if err != nil {
			panic(err)
		}
		own := new(Control)
		own.Arm(name, visit)
		controls = append(controls, own)
	}
	if path := os.Getenv("SHMFS_CRASH_CONTROL"); path != "" {
		shared, err := OpenControl(path)
		if err != nil {
			panic(err)
		}
		controls = append(controls, shared)
	}
	return controls
})

// parse reads name[:n].
func parse(asked string) (name string, visit uint64, err error) {
	at := strings.LastIndexByte(asked, ':') // a name may have colons, if a number follows
	if at < 0 {
		return asked, 1, nil
	}
	name = asked[:at]
	visit, err = strconv.ParseUint(asked[at+1:], 10, 64)
	if err != nil || visit == 0 || name == "" {
		return "", 0, fmt.Errorf("SHMFS_CRASH=%s is not name or name:n", asked)
	}
	return name, visit, nil
}

// die does not return. The signal ends this thread before kill(2) has returned, and the others as soon as they are interrupted.
func die() {
	err := unix.Kill(unix.Getpid(), unix.SIGKILL)
	panic(fmt.Sprintf("the process has survived SIGKILL: %v", err))
}
