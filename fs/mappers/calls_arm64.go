package mappers

// The numbers of system calls as /proc/[pid]/syscall shows them. A wait with a time limit that a stop signal interrupted goes on as
// restart_syscall(2), with the arguments of the futex(2) that it was.
const (
	callFutex      = "98"
	callFutexWaitv = "449"
	callRestart    = "128"
)
