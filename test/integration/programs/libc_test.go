package programs

import (
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// libcTimeout bounds one run of the programs that use libc's calls.
const libcTimeout = time.Minute

// compilers build against the libcs whose semaphores and objects lie in /dev/shm.
var compilers = []string{"gcc", "musl-gcc"}

func command(program string, arguments ...string) *exec.Cmd {
	return exec.Command(program, arguments...)
}

// TestNamedSemaphores runs sem_open and its kin, in one process and between processes that share only a name, for every
// libc in every place.
func TestNamedSemaphores(t *testing.T) {
	for _, compiler := range compilers {
		t.Run(compiler, func(t *testing.T) {
			program := compile(t, compiler, "semaphore.c", "-pthread")
			inEach(t, everywhere, func(t *testing.T, place place) {
				directory := place.mount(t)
				quiet(t, directory, command(program, "basics", "/basics"))
				pingPong(t, directory, program)
				mutualExclusion(t, directory, program)
			})
		})
	}
}

// pingPong lets two processes wake each other in turn; a lost wake-up ends in ETIMEDOUT.
func pingPong(t *testing.T, directory, program string) {
	t.Helper()
	const rounds = "2000"
	quiet(t, directory,
		command(program, "ping", "/pair", rounds),
		command(program, "pong", "/pair", rounds))
	quiet(t, directory, command(program, "unpair", "/pair"))
}

// mutualExclusion lets several processes, which all try to be the creator, guard a plain number by a semaphore.
func mutualExclusion(t *testing.T, directory, program string) {
	t.Helper()
	const processes, count = 6, 500
	var all []*exec.Cmd
	for range processes {
		all = append(all, command(program, "exclude", "/guard", strconv.Itoa(count)))
	}
	quiet(t, directory, all...)
	quiet(t, directory, command(program, "sum", "/guard", strconv.Itoa(processes*count)))
}

// TestSharedMemoryObjects runs shm_open and its kin for every libc in every place.
func TestSharedMemoryObjects(t *testing.T) {
	for _, compiler := range compilers {
		t.Run(compiler, func(t *testing.T) {
			program := compile(t, compiler, "object.c")
			inEach(t, everywhere, func(t *testing.T, place place) {
				const size = "8388608"
				directory := place.mount(t)
				quiet(t, directory, command(program, "basics", "/basics"))
				quiet(t, directory, command(program, "write", "/object", size))
				if names := entries(t, directory); !slices.Equal(names, []string{"object"}) {
					t.Errorf("the directory shows %q, want the object", names)
				}
				quiet(t, directory, command(program, "read", "/object", size))
				quiet(t, directory, command(program, "verify", "/object", size))
			})
		})
	}
}

// quiet runs commands together; each must end with status 0 and print nothing.
func quiet(t *testing.T, directory string, commands ...*exec.Cmd) {
	t.Helper()
	for i, ended := range rig.Run(t, directory, libcTimeout, commands...) {
		if ended.Err != nil || ended.Stdout+ended.Stderr != "" {
			t.Fatalf("%s: %v\n%s%s", commands[i], ended.Err, ended.Stdout, ended.Stderr)
		}
	}
}
