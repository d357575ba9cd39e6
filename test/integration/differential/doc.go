// Package differential compares shmfs with tmpfs by doing the same things to both.
//
// A case is a random sequence of system calls. Several worker processes, some of them unprivileged, issue the calls one at
// a time in one global order, and hold descriptors, locks and mappings between them. Every call goes to two sides: the
// reference, a directory on a plain tmpfs, and the subject, a directory on the mount under test. Each side has its own
// set of workers, which are this test binary executed again. A worker is confined to its case's directory by chroot(2),
// so both sides see the same paths.
//
// What is compared after every call: the result, the errno, bytes read (as a digest), and what stat says of every
// descriptor and name the call concerned, its parent directories included. Inode numbers are compared as identities: the
// n-th new inode of one side must be the n-th new one of the other. Of times it is compared whether the call changed
// them, whether they hold an explicitly set value, and how they are ordered. At the end of each case, and at random points in
// it, the whole tree, every held descriptor and every mapping are compared as well. When the case's directory has
// been removed, the mount must report as much free space and as many free inodes as before.
//
// The intended differences between shmfs and tmpfs stand in one table, in differences.go. Everything else is a failure;
// rapid shrinks it to a short sequence, which is printed as readable system calls and as a program that can be replayed.
//
// The file map: call.go and names.go say what a call is made of, operations.go lists the operations, the files named after
// subjects (descriptors, transfers, mappings, names…) define them, worker.go and process.go are the two ends of a
// worker's pipe, side.go is one side, sequence.go runs a case on both, comparison.go compares.
package differential
