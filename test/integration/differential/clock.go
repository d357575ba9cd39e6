package differential

import "golang.org/x/sys/unix"

// awaitTick returns when the coarse clock that the kernel mostly stamps files with has passed the present moment, so that
// whatever is stamped from now on differs from all that was stamped before. That takes up to two ticks, because the
// coarse clock lags behind.
func awaitTick() {
	for start := read(unix.CLOCK_REALTIME); read(unix.CLOCK_REALTIME_COARSE) <= start; {
		_ = unix.Nanosleep(&unix.Timespec{Nsec: 200_000}, nil)
	}
}

// read tells a clock in nanoseconds.
func read(clock int32) int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(clock, &now)
	return now.Nano()
}
