package differential

import (
	"golang.org/x/sys/unix"
)

// lie is a deliberate fault in a worker, by which the tests prove that a fault of a mount would be found. The empty lie is
// the truth.
type lie string

const (
	lieAppend lie = "append" // O_APPEND is forgotten during write(2)
	liePunch  lie = "punch"  // punching a hole claims success and does nothing
	lieLinks  lie = "links"  // stat shows a link count of 2 as 1
	lieStore  lie = "store"  // the last byte of a store to a mapping is lost
	lieTimes  lie = "times"  // chmod(2) changes the modification time as well
)

// told does the call, or what the lie makes of it.
func (l lie) told(w *worker, c Call, run func(*worker, Call) Outcome) Outcome {
	const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	switch {
	case l == lieAppend && c.Operation == "write":
		return withoutAppend(w.files[c.File], func() Outcome { return run(w, c) })
	case l == liePunch && c.Operation == "fallocate" && c.Flags == punch:
		c.Flags = unix.FALLOC_FL_KEEP_SIZE
	case l == lieStore && c.Operation == "store" && c.Length > 1:
		c.Length--
		outcome := run(w, c)
		if outcome.Value == c.Length {
			outcome.Value++
		}
		return outcome
	case l == lieTimes && c.Operation == "fchmod":
		outcome := run(w, c)
		_, _, _ = unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(w.files[c.File]), 0, 0, 0, 0, 0)
		return outcome
	}
	return run(w, c)
}

func withoutAppend(file int, do func() Outcome) Outcome {
	flags, err := unix.FcntlInt(uintptr(file), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_APPEND == 0 {
		return do()
	}
	defer func() { _, _ = unix.FcntlInt(uintptr(file), unix.F_SETFL, flags) }()
	_, _ = unix.FcntlInt(uintptr(file), unix.F_SETFL, flags&^unix.O_APPEND)
	return do()
}

// seen is what the worker says it saw.
func (l lie) seen(sights []Sight) []Sight {
	if l != lieLinks {
		return sights
	}
	for i := range sights {
		if sights[i].isRegular() && sights[i].Links == 2 {
			sights[i].Links = 1
		}
	}
	return sights
}
