// Command bench measures shmfs beside what it must be as fast as: /dev/shm, and a tmpfs mounted with the same huge page
// option. Every row measures both sides in one run, pass by pass in turn (A B B A ...), so that whatever else the machine
// does falls on both, and prepares each side first equally often, so that neither has the better memory; a row's result is
// the median, over the runs, of the ratio of the two sides.
//
// What is written to a semaphore as text is held against a byte's way to another process and back.
//
//	bench [-quick] [-compare] [-rows KEY,...] [-runs N] [-target shmfs|tmpfs] [-shmfs PATH]
//
// -compare measures the reference a second time as if it were shmfs, and prints that null ratio: the noise of the row.
// -target tmpfs puts plain tmpfs with the same options in shmfs's place: what the kernel can reach at all. (The row
// objects-lookup then shows only what a processor's caches do, for a tmpfs has no names that the kernel could forget, and
// the rows semaphore-text only what write(2) itself costs.)
//
// On two calm CPUs a whole table takes about ten minutes, -compare doubles that, and -quick takes half a minute. What else
// the machine runs shows in the spread, and in the load averages printed ahead of the table and after it.
//
// The timing loops are C (directory measure), compiled at the start with gcc -O2; they run pinned to one CPU, but for those
// that call the daemon or stand beside such calls: those are as free as the daemon is. Needs root, gcc, glibc 2.34 or later,
// about 2 GiB of free memory, and 5 GiB for the million objects. The objects rows write 2 to /proc/sys/vm/drop_caches, which
// makes the whole machine forget its unused directory entries.
//
// Exit status: 0 every bar is met; 1 a bar is not met; 2 something could not be measured.
package main
