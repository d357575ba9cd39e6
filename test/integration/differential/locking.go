package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var lockCommands = []int{unix.F_SETLK, unix.F_SETLK, unix.F_GETLK, unix.F_OFD_SETLK, unix.F_OFD_GETLK}

var lockOperations = []operation{
	{
		name: "flock", weight: 8,
		draw: func(d drawer, c *Call) {
			c.File, c.Flags = d.regular(), pick(d, "lock", []int{unix.LOCK_SH, unix.LOCK_EX, unix.LOCK_UN})
		},
		run: func(w *worker, c Call) Outcome { return result(0, unix.Flock(w.files[c.File], c.Flags|unix.LOCK_NB)) },
		show: func(c Call) string {
			return fmt.Sprintf("flock(%s, %s|LOCK_NB)", slot(c.File), choiceText(c.Flags, lockNames))
		},
	},
	{
		name: "record lock", weight: 14,
		draw: func(d drawer, c *Call) {
			c.File, c.Flags = d.regular(), pick(d, "command", lockCommands)
			c.Mode = uint32(pick(d, "type", []int{unix.F_RDLCK, unix.F_WRLCK, unix.F_WRLCK, unix.F_UNLCK}))
			c.Offset, c.Length = pick(d, "offset", []int64{0, 0, 10, 100, -1}), pick(d, "length", []int64{0, 10, 50, -5})
		},
		run: recordLock,
		show: func(c Call) string {
			return fmt.Sprintf("fcntl(%s, %s, {%s, SEEK_SET, %d, %d})", slot(c.File), choiceText(c.Flags, lockCommandNames),
				choiceText(int(c.Mode), recordLockNames), c.Offset, c.Length)
		},
	},
}

func recordLock(w *worker, c Call) Outcome {
	lock := unix.Flock_t{Type: int16(c.Mode), Whence: unix.SEEK_SET, Start: c.Offset, Len: c.Length}
	if err := unix.FcntlFlock(uintptr(w.files[c.File]), c.Flags, &lock); err != nil {
		return failure(err)
	}
	if c.Flags == unix.F_SETLK || c.Flags == unix.F_OFD_SETLK {
		return Outcome{}
	}
	return Outcome{Facts: []Fact{
		{"lock", fmt.Sprintf("%s %d %d", choiceText(int(lock.Type), recordLockNames), lock.Start, lock.Len)},
		{processFact, fmt.Sprint(lock.Pid)},
	}}
}
