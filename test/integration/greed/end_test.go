package greed

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// awaitQueue returns when requests of the greedy user wait for their turn.
func awaitQueue(t *testing.T, m *mounted) {
	t.Helper()
	eventually(t, func() error {
		if queued := m.figure(greedy, "QUEUED"); queued < 3 {
			return fmt.Errorf("%d requests wait for their turn", queued)
		}
		return nil
	})
}

// Who waits can be killed, and leaves nothing.
func TestKilledWhileRequestsWait(t *testing.T) {
	inEach(t, places, "limit-readers=0,limit-requests=1", func(t *testing.T, m *mounted) {
		for range 3 {
			flood := act(t, greedy, "flood", m.path)
			flood.do("begin maps 100")
			awaitQueue(t, m)
			must(t, unix.Kill(flood.process.Pid, unix.SIGKILL))
			select {
			case _, running := <-flood.answers:
				if running {
					t.Error("it goes on")
				}
			case <-time.After(patience):
				t.Fatalf("it has not ended after %v", patience)
			}
			m.await(greedy, "QUEUED", 0)
			m.await(greedy, "HANDLES", 0)
			m.await(greedy, "READERS", 0)
		}
	})
}

// A remount gives those their turn who wait.
func TestLimitOfRequestsIsRaised(t *testing.T) {
	inEach(t, []place{passthrough}, "limit-readers=0,limit-requests=1", func(t *testing.T, m *mounted) {
		flood := act(t, greedy, "flood", m.path)
		flood.do("begin maps 30")
		awaitQueue(t, m)
		m.remount("limit-requests=0")
		m.await(greedy, "QUEUED", 0)
		before := number(flood.do("calls"))
		eventually(t, func() error {
			if now := number(flood.do("calls")); now == before {
				return fmt.Errorf("there are no more than %d calls", now)
			}
			return nil
		})
		if queued := m.figure(greedy, "QUEUED"); queued != 0 {
			t.Errorf("%d wait, without a limit", queued)
		}
		flood.want("ended", "end")
	})
}

// An aborted mount ends what waits for its turn.
func TestAbortWhileRequestsWait(t *testing.T) {
	inEach(t, places, "limit-readers=0,limit-requests=1", func(t *testing.T, m *mounted) {
		daemon := []int{number(m.stat("worker-pid")), number(m.stat("supervisor-pid"))}
		flood := act(t, greedy, "flood", m.path)
		flood.do("begin maps 100")
		awaitQueue(t, m)
		_ = unix.Unmount(m.path, unix.MNT_FORCE) // EBUSY: it is in use
		if answer := flood.do("end"); !strings.HasPrefix(answer, "maps: ") {
			t.Errorf("the calls end with %q", answer)
		}
		eventually(t, func() error {
			for _, process := range daemon {
				if err := unix.Kill(process, 0); err != unix.ESRCH {
					return fmt.Errorf("process %d of the daemon has not ended: %v", process, err)
				}
			}
			return nil
		})
		m.aborted = true
	})
}

// killWorker kills the process that serves the mount, and returns when another does.
func killWorker(t *testing.T, m *mounted) {
	t.Helper()
	before := m.stat("worker-pid")
	must(t, unix.Kill(number(before), unix.SIGKILL))
	eventually(t, func() error {
		if m.stat("worker-pid") == before {
			return fmt.Errorf("process %s goes on", before)
		}
		return nil
	})
}

// What a user has counts with the next process too, and what comes again is not refused.
func TestLimitsOutliveTheWorker(t *testing.T) {
	inEach(t, []place{passthrough}, "limit-handles=20,limit-waiters=10,limit-readers=5", func(t *testing.T, m *mounted) {
		taker := act(t, greedy, "holder", m.path)
		held := m.semaphore("held", 0)
		taker.wantOpens("10", held, both, 10)
		taker.want("begun", "wait write 10")
		taker.wantOpens("5", fmt.Sprint(m.path, "/", greedy), directory, 5)
		taker.wantOpens("5 EMFILE", m.path+"/.shmfs/events", reading, 20)
		m.await(greedy, "WAITERS", 10)
		for range 3 {
			killWorker(t, m)
			m.await(greedy, "WAITERS", 10)
			m.await(greedy, "HANDLES", 20)
			m.await(greedy, "READERS", 5)
			taker.wantOpens("0 EMFILE", m.path+"/shared", both, 1)
			if outcome := taker.do("ended"); outcome != "" {
				t.Errorf("waits have ended: %s", outcome)
			}
		}
		taker.want("closed", "close")
		m.await(greedy, "READERS", 4)
		taker.wantOpens("1", m.path+"/shared", both, 1)
		taker.wantOpens("0 EMFILE", m.path+"/shared", both, 1)
	})
}

// What waits for its turn when the process ends is served by the next.
func TestQueueOutlivesTheWorker(t *testing.T) {
	inEach(t, places, "limit-readers=0,limit-requests=1", func(t *testing.T, m *mounted) {
		for _, kind := range []string{"stat", "maps"} {
			flood := act(t, greedy, "flood", m.path)
			flood.do("begin %s 50", kind)
			for range 3 {
				awaitQueue(t, m)
				killWorker(t, m)
			}
			flood.want("ended", "end")
			m.await(greedy, "QUEUED", 0)
			m.await(greedy, "HANDLES", 0)
			m.await(greedy, "READERS", 0)
		}
	})
}
