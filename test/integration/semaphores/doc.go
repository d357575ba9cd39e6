// Package semaphores tests named semaphores as docs/semaphores.md promises them: shmfs stands over /dev/shm in a mount
// namespace of the tests' own, and processes use one semaphore by libc's functions (of glibc and of musl), by text commands
// and by poll at the same time. Most tests tell agents (testdata/agent.c) what to call, one call at a time; those of the
// bars start programs that run by themselves.
//
// Environment: SHMFS_SEMAPHORE_UNITS is how many units TestHandedRound hands on for each libc in each place,
// SHMFS_SEMAPHORE_WAITERS how many wait in TestCrowd, SHMFS_SEMAPHORE_HOSTILE_SECONDS how long TestHostileMemory lasts for each;
// SHMFS_STRICT=1 asks for the full numbers, and for the bar on time as it stands. Of memory a daemon with the race detector has
// ten times as much: there fewer wait, and it is not judged.
package semaphores
