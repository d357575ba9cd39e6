// Command shmfs mounts the shmfs file system, which shows shared memory and named semaphores as files, and ends such mounts.
//
// Two processes serve each mount, a supervisor and a worker (see docs/recovery.md), and another worker stands by. None of them may ever
// touch the mount, neither a file nor the mountpoint: a call that waits for the same process, or for one that it would have to start,
// would wait for ever. Everything that looks at a mountpoint therefore stands in the short-lived processes of the command line, with a
// time limit, and the supervisor starts such a process when its own mount has to end.
//
// A supervisor and its workers say to one another what fs/keep defines. Whatever dies, one process at least has the descriptors that the
// mount consists of and knows that it is the one to go on; two never serve at once.
package main
