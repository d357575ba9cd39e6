package semfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func TestInvalidContents(t *testing.T) {
	content := func(word, waiters, sharing uint32) []byte {
		b := make([]byte, Size)
		binary.LittleEndian.PutUint32(b[0:], word)
		binary.LittleEndian.PutUint32(b[4:], waiters)
		binary.LittleEndian.PutUint32(b[8:], sharing)
		return b
	}
	cases := map[string]struct {
		bytes  []byte
		reason string
	}{
		"empty":                 {nil, "0 bytes"},
		"one byte":              {[]byte{1}, "1 bytes"},
		"one short":             {make([]byte, Size-1), "31 bytes"},
		"one more":              {make([]byte, Size+1), "33 bytes"},
		"a page":                {make([]byte, 4096), "4096 bytes"},
		"text":                  {[]byte("this is not a semaphore at all.\n"), "byte 8"},
		"ones":                  {content(math.MaxUint32, math.MaxUint32, math.MaxUint32), "byte 8"},
		"other sharing":         {content(0, 0, 1), "byte 8"},
		"byte 9":                {content(0, 0, 0x180), "byte 8"},
		"glibc negative":        {content(math.MaxUint32, 0, 0x80), "value"},
		"glibc top bit":         {content(1<<31, 0, 0x80), "value"},
		"glibc waiters":         {content(0, maxWaiters+1, 0x80), "waiters"},
		"glibc waiters minus 1": {content(0, math.MaxUint32, 0x80), "waiters"},
		"musl waiters":          {content(0, maxWaiters+1, 0), "waiters"},
		"musl waiters minus 1":  {content(minusOne, math.MaxUint32, 0), "waiters"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.region.WriteAt(test.bytes, 0)
			wantNoError(t, "WriteAt", err)
			wantState(t, f.Semaphore, State{Invalid: test.reason})
			for doing, operation := range operations(f.Semaphore) {
				wantError(t, doing, operation(), unix.EINVAL)
			}
			after := make([]byte, len(test.bytes))
			_, err = f.region.ReadAt(after, 0)
			wantNoError(t, "ReadAt", err)
			if size, err := f.region.Size(); string(after) != string(test.bytes) || int(size) != len(test.bytes) || err != nil {
				t.Errorf("the file is now %d bytes % x, %v", size, after, err)
			}
			wantNoError(t, "Initialise", f.Initialise(Musl, 1))
			wantState(t, f.Semaphore, State{Layout: Musl, Value: 1})
		})
	}
}

// operations are all that needs a valid semaphore. None of them waits for long.
func operations(s *Semaphore) map[string]func() error {
	return map[string]func() error{
		"Value":        func() error { _, err := s.Value(); return err },
		"Waiters":      func() error { _, err := s.Waiters(); return err },
		"Post":         func() error { return s.Post(1) },
		"Take":         func() error { return s.Take(1) },
		"Wait":         func() error { return s.Wait(nil, 1e6) },
		"WaitReadable": func() error { return s.WaitReadable(canceled()) },
		"Set":          func() error { return s.Set(2) },
	}
}

// The marks of both kinds of musl, and what each operation makes of them.
func TestMuslMarks(t *testing.T) {
	cases := []struct {
		before words
		layout musl
		doing  string
		after  words
	}{
		{makeWords(minusOne, 2), musl{markMinusOne}, "post", makeWords(1, 2)},
		{makeWords(minusOne, 0), musl{markMinusOne}, "post", makeWords(1, 0)},
		{makeWords(topBit, 2), musl{markTopBit}, "post", makeWords(topBit|1, 2)},
		{makeWords(topBit, 1), musl{markTopBit}, "post", makeWords(1, 1)},
		{makeWords(topBit|1, 0), musl{markTopBit}, "post", makeWords(2, 0)},
		{makeWords(0, 3), musl{markUnknown}, "post", makeWords(1, 3)},
		{makeWords(1, 1), musl{markMinusOne}, "take", makeWords(minusOne, 1)},
		{makeWords(1, 0), musl{markMinusOne}, "take", makeWords(0, 0)},
		{makeWords(2, 1), musl{markMinusOne}, "take", makeWords(1, 1)},
		{makeWords(topBit|1, 1), musl{markTopBit}, "take", makeWords(topBit, 1)},
		{makeWords(1, 1), musl{markTopBit}, "take", makeWords(0, 1)},
		{makeWords(0, 1), musl{markUnknown}, "await", makeWords(0, 1)},
		{makeWords(0, 1), musl{markMinusOne}, "await", makeWords(minusOne, 1)},
		{makeWords(0, 1), musl{markTopBit}, "await", makeWords(topBit, 1)},
		{makeWords(topBit, 1), musl{markTopBit}, "await", makeWords(topBit, 1)},
	}
	for _, test := range cases {
		steps := map[string]func(words) words{
			"post":  func(w words) words { return test.layout.posted(w, 1) },
			"take":  func(w words) words { return test.layout.taken(w, 1) },
			"await": test.layout.awaited,
		}
		if after := steps[test.doing](test.before); after != test.after {
			t.Errorf("%s of %#x with %+v is %#x, want %#x", test.doing, test.before, test.layout, after, test.after)
		}
	}
}

// FuzzLayout checks that any words either mean nothing, or a number of units and waiters that each step changes as it must.
func FuzzLayout(f *testing.F) {
	for _, sharing := range []uint32{0, 0x80, 1} {
		for _, w := range []words{0, 1, makeWords(minusOne, 1), makeWords(topBit, 2), makeWords(MaxValue, maxWaiters), math.MaxUint64} {
			f.Add(uint64(w), sharing)
		}
	}
	f.Fuzz(func(t *testing.T, word uint64, sharing uint32) {
		w := words(word)
		layout, reason := decode(w, sharing)
		if (layout == nil) != (reason != "") {
			t.Fatalf("layout %v, reason %q", layout, reason)
		}
		if layout == nil {
			return
		}
		checkSteps(t, layout, w, sharing)
	})
}

func checkSteps(t *testing.T, layout Layout, w words, sharing uint32) {
	value, waiters := layout.value(w), w.waiters()
	check := func(doing string, after words, wantValue, wantWaiters uint32) {
		t.Helper()
		found, reason := decode(after, sharing)
		if wantWaiters <= maxWaiters && found == nil {
			t.Fatalf("%s of %#x is %#x, which is no semaphore: %s", doing, w, after, reason)
		}
		if layout.value(after) != wantValue || after.waiters() != wantWaiters {
			t.Fatalf("%s of %#x is %#x: %d units and %d waiters, want %d and %d",
				doing, w, after, layout.value(after), after.waiters(), wantValue, wantWaiters)
		}
	}
	if value < MaxValue {
		check("a post", layout.posted(w, 1), value+1, waiters)
	}
	if value > 0 {
		check("a wait", layout.taken(w, 1), value-1, waiters)
	} else {
		check("a sleep", layout.awaited(w), 0, waiters)
	}
	check("joining", w.joined(), value, waiters+1)
	check("leaving", w.left(), value, max(waiters, 1)-1)
	check("setting", layout.with(w, 5), 5, waiters)
	if waiters > 0 && layout.wakes(w, 1) == 0 {
		t.Fatalf("a post to %#x wakes nobody", w)
	}
}

// Whatever one does alone, a semaphore is a number.
func TestSemaphoreAgainstModel(t *testing.T) {
	f := newFixture(t)
	rapid.Check(t, func(t *rapid.T) {
		units := uint64(rapid.Uint32Range(0, 3).Draw(t, "initial"))
		layout := rapid.SampledFrom([]Layout{Glibc, Musl}).Draw(t, "layout")
		if err := f.Initialise(layout, uint32(units)); err != nil {
			t.Fatal(err)
		}
		take := func(t *rapid.T, err, none error) {
			if (units > 0 && err != nil) || (units == 0 && !errors.Is(err, none)) {
				t.Fatalf("with %d units: %v", units, err)
			}
			units = max(units, 1) - 1
		}
		t.Repeat(map[string]func(*rapid.T){
			"post": func(t *rapid.T) {
				err := f.Post(1)
				if (units < MaxValue && err != nil) || (units == MaxValue && !errors.Is(err, unix.EOVERFLOW)) {
					t.Fatalf("with %d units: %v", units, err)
				}
				units = min(units+1, MaxValue)
			},
			"trywait":   func(t *rapid.T) { take(t, f.Take(1), unix.EAGAIN) },
			"timedwait": func(t *rapid.T) { take(t, f.Wait(nil, 0), unix.ETIMEDOUT) },
			"cancelled": func(t *rapid.T) { take(t, f.Wait(canceled(), 1e12), unix.EINTR) },
			"readable": func(t *rapid.T) {
				if err := f.WaitReadable(canceled()); (units > 0) != (err == nil) {
					t.Fatalf("with %d units: %v", units, err)
				}
			},
			"set": func(t *rapid.T) {
				value := rapid.SampledFrom([]uint32{0, 1, 2, MaxValue - 1, MaxValue}).Draw(t, "value")
				if err := f.Set(value); err != nil {
					t.Fatal(err)
				}
				units = uint64(value)
			},
			"": func(t *rapid.T) {
				state, err := f.State()
				state.Initial, state.Noted = 0, false
				if err != nil || fmt.Sprint(state) != fmt.Sprint(State{Layout: layout, Value: uint32(units)}) {
					t.Fatalf("state is %+v, %v, want %v with %d units", state, err, layout, units)
				}
			},
		})
	})
}
