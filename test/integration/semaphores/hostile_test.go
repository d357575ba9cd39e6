package semaphores

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// TestHostileMemory lets a process write random bytes into a semaphore while others operate it in every way.
func TestHostileMemory(t *testing.T) {
	const answer = 5 * time.Second
	seconds := setting(t, "SHMFS_SEMAPHORE_HOSTILE_SECONDS", 3, 10)
	places := passthrough
	if raced(t) && !strict() {
		places = places[:1] // each takes some seconds
	}
	forEach(t, places, func(t *testing.T, l libc) {
		path, quiet := sem("hostile"), sem("quiet")
		a := l.agent(t)
		for _, name := range []string{"hostile", "quiet-a", "quiet-b"} {
			a.must("sem_exclusive", l.semaphore(name), 0)
		}
		program := l.program(t, "hostile")
		roles := [][2]string{{"scribble", path}, {"operate", path}, {"operate", path}, {"operate", path}, {"operate", path}, {"pair", quiet}}
		var commands []*exec.Cmd
		for _, role := range roles {
			commands = append(commands, exec.Command(program, role[0], role[1], itoa(seconds)))
		}
		for i, ended := range rig.Run(t, rig.SharedMemory, time.Duration(seconds)*time.Second+2*time.Minute, commands...) {
			role := roles[i][0]
			if ended.Err != nil {
				t.Errorf("%s: %v\n%s%s", role, ended.Err, ended.Stdout, ended.Stderr)
			}
			if role == "scribble" {
				continue
			}
			var count, longest int
			if _, err := fmt.Sscan(ended.Stdout, &count, &longest); err != nil {
				t.Errorf("%s says %q", role, ended.Stdout)
			}
			took := time.Duration(longest) * time.Microsecond
			t.Logf("%s: %d times, the longest %v", role, count, took)
			if took > answer || count < 10*seconds {
				t.Errorf("%s: %d times in %d s, the longest %v, want no more than %v", role, count, seconds, took, answer)
			}
		}
		requireIdle(t, map[string]int{"the daemon": daemonProcess(t)})
		// Another who comes can remove it and begin anew.
		for _, name := range []string{"hostile", "quiet-a", "quiet-b"} {
			a.must("unlink", sem(name))
		}
		a.must("sem_exclusive", l.semaphore("hostile"), 2)
		wantValue(t, path, 2)
		a.must("unlink", path)
	})
}
