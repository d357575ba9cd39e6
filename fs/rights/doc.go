// Package rights takes from a process what it does not need, so that whoever finds a hole in it finds little behind.
//
// There are two steps. Capabilities are given up before a process begins (Start), because the kernel keeps them by thread and a Go program
// cannot change all of its threads once it uses libc. System calls are given up by the process itself (Confine): that the kernel does
// for all threads at once.
//
// Both hold for whatever the process starts, and there is no way back. Only root's processes have anything to give up: an ordinary user's
// has no capabilities, and needs the set-user-ID program fusermount3 to unmount, which it could not run without new privileges.
package rights
