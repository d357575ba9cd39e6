// Command shmfs mounts the shmfs file system, which shows shared memory and named semaphores as files, and ends such mounts.
//
// One process serves each mount. It must never touch the mount that it serves, neither a file nor the mountpoint: a call
// that waits for the same process would wait for ever. Everything that looks at a mountpoint therefore stands in the
// short-lived processes of the command line, with a time limit, and the serving process starts such a process when its
// own mount has to end.
package main
