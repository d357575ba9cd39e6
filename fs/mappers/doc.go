// Package mappers finds out who maps a file, and what its threads do there.
//
// A file is known by its device and inode number, as /proc/[pid]/maps shows them, and not by a path: so it is found in every mount
// namespace, under every name, and after its last name is gone. What is not to be seen from this process's /proc (processes outside its
// PID namespace) is not found.
//
// # Processes that do not answer
//
// To read the maps of a process takes its mmap_lock, and a process that waits for a dead file system with that lock held never gives it
// back. Such a read cannot be ended from outside. It is therefore left to a goroutine of its own when it takes longer than patience, and
// the process counts as one that could not be looked at, at once from then on, until the read does end. Of such reads there are never
// more than maxHanging (one more for each call that runs at the same time); beyond that nobody is looked at.
//
// All functions may be called concurrently. None of them touches the file.
package mappers
