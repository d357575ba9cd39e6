package record

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

const (
	victimVariable = "SHMFS_RECORD_VICTIM"
	victimWorkers  = 4
	victimSum      = 1000 // of what all workers have
	victimLifes    = 150
	victimLongest  = 3 * time.Millisecond // after its first change
	victimPassing  = 1 << 40              // with which rows begin that may be left
)

// TestKilled kills a process that changes a memory in several goroutines, again and again, and has the next one go on.
func TestKilled(t *testing.T) {
	m := newMemory(t)
	victimBed(t, m)
	told := make([]uint64, victimWorkers)
	changes := uint64(0)
	for life := range victimLifes {
		file := duplicate(t, m)
		killVictim(t, file, told)
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		next := reopen(t, m)
		done := checkVictim(t, next, life, told)
		closeMemory(t, next)
		for worker, count := range done {
			changes += count - told[worker]
			told[worker] = count
		}
	}
	if sum := told[0] + told[1] + told[2] + told[3]; sum < victimLifes {
		t.Fatalf("in %d lives there were only %d changes", victimLifes, sum)
	}
	t.Logf("%v changes, %d of which were made and not told of", told, changes)
}

// victimBed is a memory for a victim: a row for each worker with its number, how many changes it has made, and what it has.
func victimBed(t tester, m *Memory) {
	t.Helper()
	workers := openTable(t, m, "workers", 3)
	for worker := range uint64(victimWorkers) {
		addRow(t, workers, worker+1, 0, victimSum/victimWorkers)
	}
	openTable(t, m, "traces", 2)
	if _, err := m.Blob("text"); err != nil {
		t.Fatal(err)
	}
}

// checkVictim demands what each change leaves as it was: the sum, and the trace of each worker's last change, and no other. It returns
// how many changes each has made, which are those that it has told of or one more.
func checkVictim(t tester, m *Memory, life int, told []uint64) (done []uint64) {
	t.Helper()
	traces := contents(t, openTable(t, m, "traces", 2))
	for first := range traces {
		if first >= victimPassing {
			delete(traces, first)
		}
	}
	sum := uint64(0)
	rows := contents(t, openTable(t, m, "workers", 3))
	for worker := range uint64(victimWorkers) {
		row := rows[worker+1]
		if row == nil {
			t.Fatalf("life %d: a worker's row is gone", life)
		}
		count := row[1]
		if count < told[worker] || count > told[worker]+1 {
			t.Fatalf("life %d: worker %d has made %d changes and told of %d", life, worker, count, told[worker])
		}
		if trace := traces[worker+1]; count > 0 && (trace == nil || trace[1] != count) {
			t.Fatalf("life %d: the trace of change %d is %v", life, count, trace)
		}
		delete(traces, worker+1)
		sum += row[2]
		done = append(done, count)
	}
	if sum != victimSum || len(traces) > 0 {
		t.Fatalf("life %d: the sum is %d, and there are traces of nobody: %v", life, sum, traces)
	}
	blob, err := m.Blob("text")
	if err != nil {
		t.Fatal(err)
	}
	text, err := blob.Load()
	if err != nil {
		t.Fatal(err)
	}
	for i := 8; i < len(text); i++ {
		if text[i] != text[i%8] {
			t.Fatalf("life %d: the text is torn", life)
		}
	}
	return done
}

// killVictim has a process go on with a memory and kills it. It notes what each worker has told of.
func killVictim(t *testing.T, file *os.File, told []uint64) {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^$")
	command.Env = append(os.Environ(), victimVariable+"=1")
	command.ExtraFiles = []*os.File{file}
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stories := bufio.NewReader(output)
	note := func() error {
		var story [16]byte
		if _, err := io.ReadFull(stories, story[:]); err != nil {
			return err
		}
		told[binary.LittleEndian.Uint64(story[:])] = binary.LittleEndian.Uint64(story[8:])
		return nil
	}
	if err := note(); err != nil {
		t.Errorf("the victim has not begun: %v", err)
	}
	kill := time.AfterFunc(rand.N(victimLongest), func() { _ = command.Process.Kill() })
	for note() == nil {
	}
	kill.Stop()
	_ = command.Wait()
	if code := command.ProcessState.ExitCode(); code != -1 {
		t.Fatalf("the victim has ended by itself, with %d", code)
	}
}

// victim is the process that is killed. Its parent's end of the pipe is the only thing that ends it otherwise.
func victim() error {
	m, err := Open(os.NewFile(3, "record-test"))
	if err != nil {
		return err
	}
	workers, err := m.Table("workers", 3)
	if err != nil {
		return err
	}
	rows := make([]Row, victimWorkers)
	for row, values := range workers.Each {
		rows[values[0]-1] = row
	}
	traces, err := m.Table("traces", 2)
	if err != nil {
		return err
	}
	last := make([]Row, victimWorkers)
	for row, values := range traces.Each {
		if values[0] >= victimPassing {
			row.Remove()
		} else {
			last[values[0]-1] = row
		}
	}
	failed := make(chan error, victimWorkers)
	var pairs [victimWorkers / 2]sync.Mutex // two workers give to each other
	for worker := range victimWorkers {
		go func() {
			for {
				pairs[worker/2].Lock()
				err := work(m, traces, rows, last, worker)
				pairs[worker/2].Unlock()
				if err == nil {
					err = tell(uint64(worker), rows[worker].Load(1))
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// work makes one change: one worker gives something to the other of its pair, and leaves a new trace in the place of its last.
func work(m *Memory, traces *Table, rows, last []Row, worker int) error {
	mine, other := rows[worker], rows[worker^1]
	count, amount := mine.Load(1)+1, min(mine.Load(2), uint64(rand.IntN(10)))
	c := m.Change()
	c.Set(mine, 1, count)
	c.Set(mine, 2, mine.Load(2)-amount)
	c.Set(other, 2, other.Load(2)+amount)
	if last[worker] != (Row{}) {
		c.Remove(last[worker])
	}
	last[worker] = c.Add(traces, uint64(worker+1), count)
	if err := c.Commit(); err != nil {
		return err
	}
	if count%7 != 0 {
		return nil
	}
	passing, err := traces.Add(victimPassing+uint64(worker), count)
	if err != nil {
		return err
	}
	passing.Remove()
	blob, err := m.Blob("text")
	if err != nil {
		return err
	}
	var text []byte
	for range rand.IntN(50) {
		text = fmt.Appendf(text, "%08d", count%100_000_000)
	}
	return blob.Store(text)
}

// tell tells the parent of a change, in one write.
func tell(worker, count uint64) error {
	_, err := os.Stdout.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, worker), count))
	return err
}
