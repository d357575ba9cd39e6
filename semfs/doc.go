// Package semfs is where named semaphores stand: libc's own memory layouts on a region, futex operations, the text protocol,
// and holding that a crash cannot jam.
//
// Until then libc's semaphores work through the mount as the plain files they are made of, shared memory and all.
package semfs
