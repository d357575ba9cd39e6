package mappers

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWaitsInSeesWaiters(t *testing.T) {
	p := start(t, inMemory(t), "wait")
	ranges := scan(t, p.file)[p.process]
	eventually(t, "the thread waits", func() bool {
		waits, err := WaitsIn(t.Context(), p.process, ranges)
		return waits && err == nil
	})
	first := ranges[0]
	first.Start += 4
	if waits, err := WaitsIn(t.Context(), p.process, []Range{first}); waits || err != nil {
		t.Errorf("behind the word: %v, %v; want none", waits, err)
	}
	if waits, err := WaitsIn(t.Context(), p.process, nil); waits || err != nil {
		t.Errorf("in no range: %v, %v; want none", waits, err)
	}
}

func TestWaitsInSeesNoOthers(t *testing.T) {
	for _, task := range []string{"map", "elsewhere"} {
		p := start(t, inMemory(t), task)
		ranges := scan(t, p.file)[p.process]
		if waits, err := WaitsIn(t.Context(), p.process, ranges); waits || err != nil {
			t.Errorf("%s: %v, %v; want none", task, waits, err)
		}
	}
}

func TestWaitsForManyCannotBeSeen(t *testing.T) {
	p := start(t, inMemory(t), "many")
	ranges := scan(t, p.file)[p.process]
	eventually(t, "the thread waits", func() bool {
		waits, err := WaitsIn(t.Context(), p.process, ranges)
		return !waits && errors.Is(err, ErrCannotTell)
	})
}

func TestWaitsInProcessThatIsGone(t *testing.T) {
	p := start(t, inMemory(t), "map")
	p.end()
	if waits, err := WaitsIn(t.Context(), p.process, nil); waits || !errors.Is(err, unix.ESRCH) {
		t.Errorf("%v, %v; want ESRCH", waits, err)
	}
}

func TestStances(t *testing.T) {
	ranges := []Range{{Start: 0x7000, End: 0x8000}}
	for text, want := range map[string]stance{
		"running":          elsewhere,
		"":                 elsewhere,
		"-1 0x7ffc 0x7f01": elsewhere,
		callFutex + " 0x7000 0x189 0x0 0x0 0x0 0xffffffff 0x7ffc 0x7f01\n":     waits,
		callFutex + " 0x7fff 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f01":                waits,
		callFutex + " 0x7000 0xffffffff00000080 0x0 0x0 0x0 0x0 0x7ffc 0x7f01": waits, // an int's upper half is anything
		callFutex + " 0x8000 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f01":                elsewhere,
		callFutex + " 0x7000 0x1 0x0 0x0 0x0 0x0 0x7ffc 0x7f01":                elsewhere, // FUTEX_WAKE
		callFutex + " 0x7000 0x6 0x0 0x0 0x0 0x0 0x7ffc 0x7f01":                elsewhere, // FUTEX_LOCK_PI
		callRestart + " 0x7000 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f01":              waits,
		callFutexWaitv + " 0x7ffc 0x1 0x0 0x0 0x0 0x0 0x7ffc 0x7f01":           hidden,
		"1 0x7000 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f01":                           elsewhere,
		callFutex + " nonsense 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f01":              elsewhere,
	} {
		if got := stanceOf(text, ranges); got != want {
			t.Errorf("%q is stance %d, want %d", text, got, want)
		}
	}
}

func TestCommandOfProcessAndThread(t *testing.T) {
	p := start(t, inMemory(t), "wait")
	for _, id := range []int{p.process, p.thread} {
		if process, command := Command(id); process != p.process || command != "peer" {
			t.Errorf("of %d: %d, %q; want %d, peer", id, process, command, p.process)
		}
	}
	p.end()
	if process, command := Command(p.process); process != p.process || command != "" {
		t.Errorf("of one that is gone: %d, %q; want %d and nothing", process, command, p.process)
	}
}
