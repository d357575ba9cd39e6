// Package greed keeps one user from taking what all users of a mount share: descriptors, threads, memory and the daemon's time.
//
// A Count refuses a user what is beyond a limit, at once and with an error that says so. Turns refuse nothing: what a user asks beyond
// the limit waits until something else that the same user asked is done, while what others ask passes by.
//
// Users are told apart by the id that the kernel names in a request. Some are exempt: the owner of a count says who. Methods may be called
// concurrently; none waits, and no lock is held while the caller's functions run.
package greed
