package rig

import "time"

// A test, and the clients that its program starts as other processes, wait in system calls that end when another goroutine or process has
// done something. The Go runtime may stand still for a minute then unless there is a timer (docs/decisions/0016).
func init() { haveTimer() }

// haveTimer has a timer pending from now on.
func haveTimer() { time.AfterFunc(100*time.Millisecond, haveTimer) }
