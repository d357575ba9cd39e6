// Package mmapcore holds shared memory: backing files, their bytes, and their mappings into this process. It knows nothing of
// the names that users see, of FUSE, or of semaphores.
//
// # Store, region, mapping
//
// A Store is where backing files live: a tmpfs that no path leads to (NewTmpfs), or a directory on any file system
// (OpenDirectory) for what must outlive the machine. It deals in inodes and descriptors.
//
// A Region is one backing file, made from a descriptor that it then owns. It changes the size, reserves and frees space,
// moves bytes in bulk, and says what is in memory. Nothing a Region does touches mapped memory, so nothing it does can fault.
// A region is not mapped for existing: a process may have some 65,000 mappings (vm.max_map_count) but a million objects.
//
// A Mapping is a part of a region in this process's address space. It is for words that are accessed together with other
// processes: atomics and futexes, on the very memory that they have mapped. For bulk, use the region.
//
// # The end of the file
//
// A mapping covers whole pages, so whoever maps a file can store past its end, up to the end of the last page (of the last
// huge page, where tmpfs uses those). POSIX wants a file that grows to show zeros there, and the kernel's tmpfs does not see to
// it. Resize, Reserve and WriteAt do, before they move the end. A store that happens while the end moves counts as made after.
//
// # What may fault
//
// Any process that has the file open for writing can shrink it, at any moment. A load or store past the new end then raises
// SIGBUS. So does the first store to a page when the file system is full, or a failing disk. Every access of a Mapping to its
// memory is therefore made under a guard, which has the Go runtime turn the signal into a panic of the accessing goroutine
// and turns this panic, and no other, into ErrFault. Checking the size first would not do: the file can shrink in between.
// Memory is never handed out of a Mapping, since whoever got it would access it without a guard.
//
// System calls that are given mapped memory (futex, madvise) do not raise signals; their EFAULT becomes ErrFault too.
//
// # Ends
//
// Region.Close and Mapping.Unmap may be called at any time, again and again. They let nobody in any more (ErrClosed), wait
// for who is inside, and then give back the descriptor or the address space, so that no call ever uses a descriptor or an
// address that belongs to somebody else by then. Unmap wakes those who sleep in FutexWait.
//
// # Locks
//
// In the order in which they are taken, those further in last:
//
//	Region.life or Mapping.life   a count of users, not a lock; entered first by every method
//	  Region.end                  the end of the file: held for writing while it moves, for reading while bytes before it change
//	  Mapping.mu                  whether the mapping is still there; taken when life has ended
//
// No method of a Region calls a method of a Mapping or the other way round, and none calls back into its caller, so callers may
// hold locks of their own. Several regions of one file do not know of each other: see Region.
//
// # Errors
//
// Errors wrap the errno of the call that failed, or the one that the call would have given, for errors.Is. ErrClosed,
// ErrFault and ErrCanceled wrap EBADF, EFAULT and ECANCELED. Calls that a signal interrupted are made again; EINTR is
// never returned, but by Region.Close, since close(2) must not be repeated.
//
// Negative, overflowing and misaligned arguments are refused before any system call is made.
//
// Linux on amd64 and arm64 only: layouts and calls are those of their kernels.
package mmapcore
