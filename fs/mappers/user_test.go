package mappers

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// asNobody runs f in a thread without rights, which must end afterwards: the goroutine must return.
func asNobody(f func() error) error {
	runtime.LockOSThread()
	const nobody = 65534
	// The thread alone changes, which Go's own functions avoid.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
		return errno
	}
	return f()
}
