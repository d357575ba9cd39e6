// Package semaphores tests named semaphores as docs/semaphores.md promises them: shmfs stands over /dev/shm in a mount
// namespace of the tests' own, and processes use one semaphore by libc's functions (of glibc and of musl), by text commands
// and by poll at the same time. Most tests tell agents (testdata/agent.c) what to call, one call at a time; those of the
// bars start programs that run by themselves.
//
// Environment: SHMFS_SEMAPHORE_UNITS is how many units TestHandedRound hands on, SHMFS_SEMAPHORE_WAITERS how many wait in
// TestCrowd, SHMFS_STRICT=1 asks for the full numbers and for the bars on time and memory as they stand, which a daemon built
// with the race detector cannot keep.
package semaphores
