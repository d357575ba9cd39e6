// Package faults tests that nothing that befalls the daemon is seen by those who use the mount, and that nothing its users do befalls others.
//
// Several clients, which are this test binary executed again, do random things in a directory of their own, each of which has a model: every
// result is compared with the model, every effect looked at at once and once more at the end. They meet in what they share: semaphores with
// a number of units that never changes, counters behind record locks, a file that all append to, names that only one can create. Meanwhile
// harm is done to the daemon (harm_test.go). What a client's calls took at that moment is the pause that it sees. When all is over, what the
// mount says of itself must agree with what a walk through it finds, and then nothing may be left.
//
// Environment: SHMFS_FAULTS_STRICT=1 asks for the full numbers and for the bars of docs/recovery.md as they stand, which hold for a machine
// that does nothing else; otherwise there is less of everything, and three times the bars. Each number can be given by itself, see
// settings_test.go. SHMFS_FAULTS_SEED repeats the clients' choices.
package faults
