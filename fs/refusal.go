package fs

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"shmfs/fs/mappers"
	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// mostRefusals is how many refused commands are logged in a second: anybody can cause them.
const mostRefusals = 20

// refusals counts what was logged.
type refusals struct {
	mu     sync.Mutex
	second int64 // guarded by mu
	count  int   // logged in that second; guarded by mu
}

// allow says whether one more may be logged now.
func (r *refusals) allow(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if second := now.Unix(); second != r.second {
		r.second, r.count = second, 0
	}
	r.count++
	return r.count <= mostRefusals
}

// refusedCommand is what a client wrote to a semaphore, for the log.
type refusedCommand struct {
	node uint64
	text []byte
}

func (c refusedCommand) String() string {
	return fmt.Sprintf("%s on node %d", strconv.Quote(string(c.text)), c.node)
}

// refuse logs why a command was not done, if it was wrong rather than out of luck.
func (f *Filesystem) refuse(handle *handle, text []byte, err error) {
	const most = 60 // bytes of a client's text in a line
	if f.tellExceeded(refusedCommand{handle.node, text[:min(len(text), most)]}, err) {
		return
	}
	switch errnoOf(err) {
	case unix.EAGAIN, unix.EINTR, unix.ETIMEDOUT, unix.EBADF:
		return
	}
	if !f.refusals.allow(time.Now()) {
		return
	}
	f.log.Warn("command refused", "node", handle.node, "command", strconv.Quote(string(text[:min(len(text), most)])),
		"errno", errnoOf(err).Error(), "reason", err)
}

// describeHolder says which process a thread belongs to, and what that runs.
func describeHolder(thread int) semfs.Holder {
	process, command := mappers.Command(thread)
	return semfs.Holder{Process: process, Command: command}
}
