// Package crashpoint marks the places at which a test kills the process.
//
// In an ordinary build Here is an empty function, which the compiler leaves out together with the name. Under the build
// tag crashpoints, Here counts the visit and, when it is armed for that name, kills the process with SIGKILL. Names are string literals
// that occur once each; package source finds them.
//
// Points are armed in two ways, which a process looks at when it comes to its first point:
//
//   - SHMFS_CRASH=name or SHMFS_CRASH=name:n in its environment: it dies at the n-th visit (the first if there is no number, without which
//     a name can have no colon). A process that inherits the environment dies likewise.
//   - SHMFS_CRASH_CONTROL=path: a Control that several processes share, and the test among them. It arms what runs, a point
//     that has killed is armed no more, and visits are counted over the lives of all processes.
package crashpoint
