// Package keep is for descriptors that outlive a process: what the processes of one mount say to one another, and who holds what
// meanwhile.
//
// A Link is one end of a SOCK_SEQPACKET socket, over which messages go whole, with descriptors (SCM_RIGHTS). What was sent arrives, also
// when the sender has died since: the kernel holds a message and its descriptors for as long as the other end is open.
//
// A Client is the worker's side: it has descriptors held by the supervisor, and by its successor when it has died. A Holder is the
// supervisor's side: it hands what it holds to the next worker.
package keep
