package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// T is what helpers need of a test. Both *testing.T and a step's own process provide it.
type T interface {
	Helper()
	Errorf(format string, arguments ...any)
	Fatalf(format string, arguments ...any)
	Cleanup(func())
}

// ok ends the test when a call failed that has to work.
func ok(t T, err error, what string, arguments ...any) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %s (%v), want success", fmt.Sprintf(what, arguments...), errnoName(err), err)
	}
}

// fails requires that a call failed with exactly this errno.
func fails(t T, want unix.Errno, err error, what string, arguments ...any) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %s, want %s", fmt.Sprintf(what, arguments...), errnoName(err), unix.ErrnoName(want))
	}
}

func errnoName(err error) string {
	if err == nil {
		return "success"
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func equal[V comparable](t T, got, want V, what string, arguments ...any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", fmt.Sprintf(what, arguments...), got, want)
	}
}

func isTrue(t T, holds bool, what string, arguments ...any) {
	t.Helper()
	if !holds {
		t.Errorf("it does not hold that %s", fmt.Sprintf(what, arguments...))
	}
}

// sameBytes compares contents and names the first byte that differs.
func sameBytes(t T, got, want []byte, what string, arguments ...any) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	text := fmt.Sprintf(what, arguments...)
	if len(got) != len(want) {
		t.Errorf("%s: %d bytes, want %d", text, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("%s: byte %d is %#02x, want %#02x", text, i, got[i], want[i])
			return
		}
	}
}

// modeIs compares all of st_mode, type and permission bits.
func modeIs(t T, got unix.Stat_t, want uint32, what string, arguments ...any) {
	t.Helper()
	if got.Mode != want {
		t.Errorf("%s: mode %#o, want %#o", fmt.Sprintf(what, arguments...), got.Mode, want)
	}
}

// tick returns when the coarse clock that stamps files has passed the present, so that the next stamp is later than all
// earlier ones, also than those taken from the fine clock.
func tick(t T) {
	t.Helper()
	start := clock(t, unix.CLOCK_REALTIME)
	for clock(t, unix.CLOCK_REALTIME_COARSE) <= start {
		runtime.Gosched()
	}
}

func clock(t T, which int32) int64 {
	t.Helper()
	var now unix.Timespec
	ok(t, unix.ClockGettime(which, &now), "clock_gettime")
	return now.Nano()
}

// eventually is for what the kernel does after the call returned: the last close of a FUSE file is told to the daemon
// without waiting for it.
func eventually(t T, what string, holds func() bool) {
	t.Helper()
	const patience = 30 * time.Second
	for deadline := time.Now().Add(patience); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Errorf("not within %v: %s", patience, what)
			return
		}
	}
}

func octal(n uint32) string { return fmt.Sprintf("%o", n) }
