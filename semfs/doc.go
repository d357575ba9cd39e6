// Package semfs is where named semaphores stand: libc's own memory layouts on a region, futex operations, the text protocol,
// and holding that a crash cannot jam.
//
// A Semaphore is the 32 bytes of a sem_t in a mmapcore.Region, which C programs map and use with sem_post, sem_wait and the rest at
// the same time. An Operator does what clients ask of it in words, waits for them, and a Client remembers what each of them
// holds. None of them knows of names. Both libcs keep two little-endian 32-bit words side by side, the value's and the count
// of waiters, and the value's word is the futex:
//
//	offset  glibc 2.21+, 64-bit   musl, 64-bit
//	0       value                 value; with a mark while somebody waits
//	4       waiters               waiters
//	8       0x80: shared          0: shared
//	12      shmfs's stamp         shmfs's stamp; unused by either
//	16      the initial value, noted by shmfs, 8 bytes; unused by either
//	24      unused                unused
//
// Semaphore swaps both words and its stamp in one step, whereas libc's functions swap 32 or 64 bits as they please. By the stamp, which every
// change counts up, it is known of a change whether it was made when the process did not live to note it (Intent).
// The memory is the clients': every operation looks at it afresh, trusts nothing it has read before, and returns.
package semfs
