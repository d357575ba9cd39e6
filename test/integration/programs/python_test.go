package programs

import (
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// TestPythonSharedMemory runs multiprocessing.shared_memory. Silence matters: the resource tracker complains on standard
// error about what it finds left, or does not find.
func TestPythonSharedMemory(t *testing.T) {
	python(t, "shared_memory.py")
}

// TestPythonSynchronization runs multiprocessing's locks, semaphores, conditions, queues, pools and arrays.
func TestPythonSynchronization(t *testing.T) {
	python(t, "synchronization.py")
}

func python(t *testing.T, script string) {
	t.Helper()
	const timeout = 5 * time.Minute
	interpreter := rig.Program(t, "python3")
	inEach(t, everywhere, func(t *testing.T, place place) {
		directory := place.mount(t)
		ended := rig.Run(t, directory, timeout, command(interpreter, source(t, script)))[0]
		if ended.Err != nil || ended.Stdout != "done\n" || ended.Stderr != "" {
			t.Errorf("%s: %v\n%s%s", script, ended.Err, ended.Stdout, ended.Stderr)
		}
	})
}
