package journal

import "time"

// Kind says what happened, in the word that the text has for it.
type Kind string

const (
	Create          Kind = "create"
	Open            Kind = "open"
	Close           Kind = "close"
	Resize          Kind = "resize"
	Unlink          Kind = "unlink"
	Rename          Kind = "rename"
	Link            Kind = "link"
	Chmod           Kind = "chmod"
	SemaphorePost   Kind = "sem-post"
	SemaphoreWait   Kind = "sem-wait"
	HolderDied      Kind = "holder-died"
	NoSpace         Kind = "enospc"
	Quota           Kind = "quota"
	WorkerRestarted Kind = "worker-restarted"
)

const dropped = "dropped"

// Event is something that happened. Of the fields below Command only those of its kind are shown.
type Event struct {
	Sequence uint64    // 1, 2, …; set by Publish
	Time     time.Time // Publish sets it unless it is set
	Kind     Kind
	Object   string // path below the root, any bytes; empty: none
	Inode    uint64 // 0: none

	Unattributed bool   // nobody's doing, or not known whose: there is no UID
	UID          uint32 // who did it
	PID          uint32 // 0: not known
	Command      string // of the process, any bytes; empty: not known

	Type   string // Create: "file", "directory", …
	Flags  string // Open, Close: words with commas between them
	Opens  int    // Open, Close: open files of the object after it
	Size   int64  // Resize: bytes
	Links  uint32 // Unlink: names left
	To     string // Rename, Link: the new path, any bytes
	Mode   uint32 // Chmod: permission bits
	Owner  uint32 // Chmod
	Group  uint32 // Chmod
	Units  uint64 // SemaphorePost, SemaphoreWait, HolderDied
	Value  int64  // SemaphorePost, SemaphoreWait: after it; negative: not known
	Wanted int64  // NoSpace, Quota: bytes
}

// weight is about how much memory the event's texts take, in bytes.
func (e *Event) weight() int {
	return len(e.Object) + len(e.To) + len(e.Command) + len(e.Flags)
}
