package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// harm is something that befalls the daemon, again and again, in random moments.
type harm struct {
	name    string
	setting string // of how often
	usual   int
	full    int
	do      func(*harming) error // returns when it is done and the daemon answers
	dies    bool                 // each time a worker dies
	least   time.Duration        // the pause that clients see at least, or it is not seen; 0: unknown
	p50     time.Duration        // bar of the pause that clients see; 0: none
	p99     time.Duration        // the same
}

const stopped = 20 * time.Millisecond

var (
	// stops shows that pauses are measured.
	stops = harm{name: "the worker is stopped for a moment", setting: "STOPS", usual: 10, full: 100, do: (*harming).stopWorker, least: stopped}
	kills = harm{name: "the worker is killed", setting: "KILLS", usual: 48, full: 1000, do: (*harming).killWorker, dies: true,
		p50: 30 * time.Millisecond, p99: 150 * time.Millisecond}
	pairs = harm{name: "the worker is killed, and the next one as it resumes", setting: "PAIRS", usual: 6, full: 100,
		do: (*harming).killTwoWorkers, dies: true}
	reloads = harm{name: "the worker is replaced", setting: "RELOADS", usual: 8, full: 200, do: (*harming).reload,
		p99: 60 * time.Millisecond}
	supervisors = harm{name: "the supervisor is killed", setting: "SUPERVISORS", usual: 6, full: 100, do: (*harming).killSupervisor}
	handovers   = harm{name: "the supervisor is killed while it reloads", setting: "HANDOVERS", usual: 3, full: 50,
		do: (*harming).killReloadingSupervisor}
	starvations = harm{name: "the worker runs out of memory", setting: "STARVATIONS", usual: 3, full: 40, do: (*harming).starve, dies: true}
)

// every is all harm.
func every() []harm {
	return []harm{stops, kills, pairs, reloads, supervisors, handovers, starvations}
}

// some is the harm for tests that are about something besides: all of it under SHMFS_FAULTS_STRICT, but a tenth as often as where it matters
// most; otherwise only one kind, a quarter as often.
func some() []harm {
	chosen := []harm{kills}
	if strict() {
		chosen = every()
	}
	for i := range chosen {
		chosen[i].usual, chosen[i].full = (chosen[i].usual+3)/4, (chosen[i].full+9)/10
	}
	return chosen
}

// harming is one who does harm to a daemon.
type harming struct {
	t      testing.TB
	daemon *daemon
	choose func(below int) int // a random number
	began  time.Duration       // when it was done last
}

// kill sends SIGKILL to the process that the stats name, a moment after they were read, and returns its number.
func (h *harming) kill(key string) (int, error) {
	process, err := h.daemon.figure(key)
	if err != nil {
		return 0, err
	}
	pause(time.Duration(h.choose(5000)) * time.Microsecond)
	h.began = now()
	return process, unix.Kill(process, unix.SIGKILL)
}

// stopWorker has who serves do nothing for a while.
func (h *harming) stopWorker() error {
	server, err := h.daemon.server()
	if err != nil {
		return err
	}
	h.began = now()
	if err := unix.Kill(server, unix.SIGSTOP); err != nil {
		return err
	}
	pause(stopped)
	return unix.Kill(server, unix.SIGCONT)
}

// killWorker returns when another worker answers.
func (h *harming) killWorker() error {
	killed, err := h.kill("worker-pid")
	if err != nil {
		return err
	}
	return h.requireOther("worker-pid", killed)
}

// killTwoWorkers kills the worker, and a moment later whoever else the supervisor has.
func (h *harming) killTwoWorkers() error {
	supervisor, err := h.daemon.figure("supervisor-pid")
	if err != nil {
		return err
	}
	killed, err := h.kill("worker-pid")
	if err != nil {
		return err
	}
	pause(time.Duration(h.choose(6000)) * time.Microsecond)
	for _, next := range children(supervisor) {
		if next != killed {
			_ = unix.Kill(next, unix.SIGKILL) // it may be gone already
		}
	}
	return h.requireOther("worker-pid", killed)
}

func (h *harming) killSupervisor() error {
	killed, err := h.kill("supervisor-pid")
	if err != nil {
		return err
	}
	return h.requireOther("supervisor-pid", killed)
}

// killReloadingSupervisor kills the supervisor in a random moment of a reload, and returns when another one answers, and the reload is done or
// has failed.
func (h *harming) killReloadingSupervisor() error {
	const most = 150 * time.Millisecond // that a reload takes
	killed, err := h.daemon.figure("supervisor-pid")
	if err != nil {
		return err
	}
	command := exec.Command(rig.Binary(h.t), "reload", h.daemon.place)
	var said strings.Builder
	command.Stderr = &said
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting shmfs reload: %w", err)
	}
	pause(time.Duration(h.choose(int(most))))
	h.began = now()
	err = unix.Kill(killed, unix.SIGKILL)
	ended := command.Wait()
	if ended != nil && !strings.Contains(said.String(), "goes on as it was") {
		return fmt.Errorf("shmfs reload: %w: %s", ended, said.String())
	}
	return errors.Join(err, h.requireOther("supervisor-pid", killed))
}

func (h *harming) reload() error {
	before, err := h.daemon.figure("worker-pid")
	if err != nil {
		return err
	}
	if err := h.daemon.reload(h.t); err != nil {
		return err
	}
	return h.requireOther("worker-pid", before)
}

// starve puts the worker into a control group with so little memory that the kernel kills it.
func (h *harming) starve() error {
	process, err := h.daemon.figure("worker-pid")
	if err != nil {
		return err
	}
	group, err := newMemoryGroup(h.t)
	if err != nil {
		return err
	}
	if err := group.starve(process); err != nil {
		return err
	}
	if err := h.requireOther("worker-pid", process); err != nil {
		return err
	}
	return group.remove()
}

// requireOther returns when another process than the given one does its work.
func (h *harming) requireOther(key string, than int) error {
	for deadline := now() + patience; ; pause(time.Millisecond) {
		process, err := h.daemon.figure(key)
		if err != nil {
			return err
		}
		if process != than {
			return nil
		}
		if now() > deadline {
			return fmt.Errorf("%s is still %d", key, than)
		}
	}
}

// pause does nothing for so long.
func pause(length time.Duration) {
	timeout := unix.NsecToTimespec(int64(length))
	_, _ = unix.Ppoll(nil, &timeout, nil) // a signal may end it early
}

// runs says whether a process has not ended.
func runs(process int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	return err == nil && !strings.Contains(string(text), "\nState:\tZ")
}

// children are the processes that a process has started and that still run.
func children(process int) []int {
	var found []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", process))
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}
