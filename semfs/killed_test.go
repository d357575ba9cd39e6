package semfs

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"shmfs/mmapcore"
	rows "shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// killedName is argv[0] of this test binary as a process that operates a semaphore until it is killed. Its first descriptors are those of the
// semaphore and of the record.
const killedName = "semfs-killed"

// The words of the row in which the processes keep what outlives them.
const (
	rowAsked  = iota // number of the request, and in the lower half how many bytes of it are done
	rowLast          // request after which they end
	rowIntent        // the kind, and above it the stamp; 0: nothing is intended
	rowIntentHeld
	rowIntentAsked
	rowHeld
	rowJoined
	rowWords
)

// killedRequests are done over and over again. All in all they move nothing, with one unit that others want too.
var killedRequests = []string{"acquire", "release", "wait", "post 2", "wait\n", "timedacquire 100", "release", "wait\npost\nacquire\nrelease\n"}

// rowRecorder keeps a record in a row.
type rowRecorder struct{ row rows.Row }

func (r rowRecorder) Intend(intent Intent) error {
	r.row.Store(rowIntent, 0)
	r.row.Store(rowIntentHeld, intent.Held)
	r.row.Store(rowIntentAsked, intent.Request<<32|uint64(intent.Progress))
	r.row.Store(rowIntent, uint64(intent.Stamp)<<8|uint64(intent.Kind))
	return nil
}

func (r rowRecorder) Done(intent Intent) {
	switch intent.Kind {
	case Acquire, Release, Return:
		r.row.Store(rowHeld, intent.Held)
	case Join, Leave:
		r.row.Store(rowJoined, uint64(Leave-intent.Kind))
	}
	if intent.Request != 0 {
		r.row.Store(rowAsked, intent.Request<<32|uint64(intent.Progress))
	}
	r.row.Store(rowIntent, 0)
}

func (r rowRecorder) Abandon() { r.row.Store(rowIntent, 0) }

// resume settles what the process before left.
func (r rowRecorder) resume(operator *Operator) (*Client, error) {
	if word := r.row.Load(rowIntent); word != 0 {
		asked := r.row.Load(rowIntentAsked)
		intent := Intent{
			Stamp: uint32(word >> 8), Kind: Kind(word), Held: r.row.Load(rowIntentHeld),
			Request: asked >> 32, Progress: int(uint32(asked)),
		}
		if _, err := operator.Settle(intent); err != nil {
			return nil, err
		}
	}
	if r.row.Load(rowJoined) != 0 {
		if err := operator.LeaveForDead(); err != nil {
			return nil, err
		}
	}
	return operator.Restore(1, r.row.Load(rowHeld), Holder{}), nil
}

// openRow opens the record that a descriptor leads to.
func openRow(descriptor *os.File) (*rows.Memory, rowRecorder, error) {
	memory, err := rows.Open(descriptor)
	if err != nil {
		return nil, rowRecorder{}, err
	}
	table, err := memory.Table("test", rowWords)
	if err != nil {
		return nil, rowRecorder{}, err
	}
	for row := range table.Each {
		return memory, rowRecorder{row}, nil
	}
	return nil, rowRecorder{}, errors.New("no row")
}

// runKilled is the process. It goes on where the one before was killed.
func runKilled() error {
	_, recorder, err := openRow(os.NewFile(4, "record"))
	if err != nil {
		return err
	}
	semaphore, err := Open(mmapcore.NewRegion(3))
	if err != nil {
		return err
	}
	operator := NewOperator(semaphore, NewSleepers(1, nil, func() {}), recorder)
	client, err := recorder.resume(operator)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		asked := recorder.row.Load(rowAsked)
		number, done := asked>>32, int(uint32(asked))
		if number == recorder.row.Load(rowLast) {
			break
		}
		text := killedRequests[number%uint64(len(killedRequests))]
		if done < len(text) {
			conditions := Conditions{Request: number, Progress: done}
			if count, err := client.Do([]byte(text[done:]), conditions); err != nil || done+count != len(text) {
				return fmt.Errorf("request %d, %q, from byte %d: %d bytes are done, %w", number, text, done, count, err)
			}
		}
		recorder.row.Store(rowAsked, (number+1)<<32)
	}
	if err := client.Close(); err != nil {
		return err
	}
	operator.Close()
	return nil
}

// Processes are killed at moments that nobody chose, while libc's users take and post the same units: in the end all of them are there, nobody
// is counted, and nobody sleeps beside a unit.
func TestKilledProcessesDoEverythingOnce(t *testing.T) {
	onEachLibc(t, 1, func(t *testing.T, name string, f fixture) {
		memory, err := rows.Create("semfs-test")
		wantNoError(t, "Create", err)
		defer memory.Close()
		table, err := memory.Table("test", rowWords)
		wantNoError(t, "Table", err)
		first := uint64(len(killedRequests))
		row, err := table.Add(first<<32, 1<<32, 0, 0, 0, 0, 0)
		wantNoError(t, "Add", err)
		var users sync.WaitGroup
		var over atomic.Bool
		for range 2 {
			users.Go(func() {
				for !over.Load() && !t.Failed() {
					if said := f.peer(name, "circulate", 1000); said != "done 0" {
						t.Error(said)
					}
				}
			})
		}
		for range 40 {
			process, lines := startKilled(t, f, memory)
			if !lines.Scan() {
				t.Fatalf("a process ended: %v", process.Wait())
			}
			time.Sleep(rand.N(3 * time.Millisecond)) // the moment shall be any
			wantNoError(t, "killing", process.Process.Kill())
			if err := process.Wait(); process.ProcessState.Exited() {
				t.Fatalf("a process ended by itself: %v", err)
			}
		}
		rounds := row.Load(rowAsked)>>32/first + 2
		row.Store(rowLast, rounds*first)
		last, _ := startKilled(t, f, memory)
		wantNoError(t, "the last process", last.Wait())
		over.Store(true)
		users.Wait()
		wantState(t, f.Semaphore, State{Layout: libcs[name].layout, Value: 1})
		if held, joined, intent := row.Load(rowHeld), row.Load(rowJoined), row.Load(rowIntent); held+joined+intent != 0 {
			t.Errorf("at the end %d units are held, joined is %d, intended %#x", held, joined, intent)
		}
		t.Logf("%d requests were done by processes that were killed", row.Load(rowAsked)>>32-first)
	})
}

func startKilled(t *testing.T, f fixture, memory *rows.Memory) (process *exec.Cmd, lines *bufio.Scanner) {
	t.Helper()
	descriptor, err := unix.FcntlInt(uintptr(f.region.Descriptor()), unix.F_DUPFD_CLOEXEC, 0)
	wantNoError(t, "duplicating a descriptor", err)
	file := os.NewFile(uintptr(descriptor), "semaphore")
	defer file.Close()
	process = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{killedName}, Stderr: os.Stderr, ExtraFiles: []*os.File{file, memory.File()},
		Env:         append(os.Environ(), "GORACE=atexit_sleep_ms=0"),
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL},
	}
	stdout, err := process.StdoutPipe()
	wantNoError(t, "making a pipe", err)
	wantNoError(t, "starting a process", process.Start())
	return process, bufio.NewScanner(stdout)
}
