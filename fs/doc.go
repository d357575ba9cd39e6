// Package fs is the FUSE face of shmfs: it mounts, reads the kernel's requests, has objects do them, and answers.
//
// # Modes
//
// In passthrough mode (Linux 6.9 and later, CAP_SYS_ADMIN) every open regular file is tied to its backing file in the store,
// and the kernel maps that file's own pages into the client: no copy, no request per access. What read(2) and write(2) do
// depends on the handle: straight to the backing file as well, or, where growth must be charged first (commit=strict) or
// privilege bits must be cleared, through the daemon.
//
// In cached mode (older kernels, ordinary users) clients share the kernel's page cache of the mount, which the kernel fills
// from and writes back to the store through the daemon.
//
// # Wire
//
// bazil.org/fuse decodes requests and encodes most replies. What it lacks is in wire.go (replies that carry attributes, open
// flags or a backing id) and extension.go (requests it does not know). adopt.go, the one place that depends on its
// unexported fields, makes a fuse.Conn of a connection whose INIT we answered.
//
// # Concurrency
//
// A few goroutines read requests and serve them where they were read; there is always one left to read (see session.go), so
// a slow request holds up no other. What one user asks beyond a limit waits for that user's own requests (see turn.go). Lock order: Filesystem.openings, then the locks of objects. Filesystem.handles and
// inflight stand alone. None is held while a reply is written.
//
// A semaphore's locks: openings or openSemaphore, then operation, then those of semfs; semaphores.mu (see apart.go) comes after all of
// them and before the tree's. The last close of a semaphore waits, with openings held, for its sleeper to be gone; the sleeper takes none
// of these locks but semfs's own. openSemaphore.mu, which is one open file's, is held while that file's text is made.
//
// A semaphore that its last user has left is looked at by goroutines apart from requests (see orphans.go), while whoever opens it waits
// at its gate. Lock order there: Filesystem.openings, orphans, semaphores, then the locks of objects.
//
// The daemon never touches its own mount: a call or a page fault there would wait for the process itself, beyond kill.
package fs
