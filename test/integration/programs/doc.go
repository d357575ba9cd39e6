// Package programs tests that programs which know nothing of shmfs run on it: shmfs stands over /dev/shm, in a mount
// namespace that the test binary makes for itself, and libc, Python, PostgreSQL, fio and stress-ng use shared memory and
// semaphores there as they always do. Every program has to do its work on a plain tmpfs at the same place first. Beside
// them stand the tests of memory that need a program of their own: huge pages, a mount filled to the last byte, and a
// store on a disk.
package programs
