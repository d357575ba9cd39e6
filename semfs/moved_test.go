package semfs

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// movement is what a client was told of a command that moved units.
type movement struct {
	posted bool
	units  uint32
	value  uint32
	known  bool
}

// recorder returns conditions that note what moved, and what was noted so far.
func recorder() (Conditions, func() []movement) {
	var all []movement
	did := func(moved Moved) {
		value, known := moved.Value()
		all = append(all, movement{moved.Posted, moved.Units, value, known})
	}
	return Conditions{Did: did}, func() []movement { return all }
}

// Who is told of a command can find out the value after it.
func TestMovedUnitsAndTheValueAfter(t *testing.T) {
	onEachLibcOperated(t, 2, func(t *testing.T, _ string, o operated) {
		conditions, movements := recorder()
		client := o.operator.NewClient(0)
		wantDone(t, client, "post 3\ntrywait\nset 9\nwait\nacquire 4\nrelease 2\n", conditions)
		want := []movement{{true, 3, 5, true}, {false, 1, 4, true}, {false, 1, 8, true}, {false, 4, 4, true}, {true, 2, 6, true}}
		if got := movements(); !slices.Equal(got, want) {
			t.Errorf("told of %v, want %v", got, want)
		}
	})
}

func TestMovedUnitsOfAWait(t *testing.T) {
	o := newOperated(t, 0)
	conditions, movements := recorder()
	ended := o.start(o.operator.NewClient(0), "acquire 2", conditions)
	o.awaitQueued(t, 1)
	wantNoError(t, "Post", o.Post(3))
	wantEnd(t, "acquire", ended)
	if got, want := movements(), []movement{{false, 2, 1, true}}; !slices.Equal(got, want) {
		t.Errorf("told of %v, want %v", got, want)
	}
}

// A command that did nothing is not told of, and a file that is no semaphore any more has no value.
func TestNothingMovedAndNothingKnown(t *testing.T) {
	o := newOperated(t, 0)
	conditions, movements := recorder()
	wantRefused(t, o.operator.NewClient(0), "trywait", conditions, unix.EAGAIN)
	if got := movements(); len(got) != 0 {
		t.Errorf("told of %v", got)
	}
	conditions.Did = func(moved Moved) {
		wantNoError(t, "Resize", o.region.Resize(Size+1))
		if value, known := moved.Value(); known {
			t.Errorf("the value of no semaphore is %d", value)
		}
	}
	wantDone(t, o.operator.NewClient(0), "post", conditions)
}

// Nobody is asked twice for the sake of who is told.
func TestMovedUnitsOfAnotherProcess(t *testing.T) {
	memory := newRemoteMemory(1)
	conditions, movements := recorder()
	wantDone(t, NewRemoteOperator(memory, nil).NewClient(0), "post", conditions)
	if got, want := movements(), []movement{{true, 1, 0, false}}; !slices.Equal(got, want) {
		t.Errorf("told of %v, want %v", got, want)
	}
}
