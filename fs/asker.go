package fs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"shmfs/fs/caller"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// asker is who opens a file of the daemon's own tree. The zero asker is the daemon itself.
type asker struct {
	uid, gid uint32
	thread   uint32 // as the request says

	identity *caller.Identity // if it was found out before; nil: it is found out when it is needed
}

func askerOf(request fuse.Request) asker {
	header := request.Hdr()
	return asker{uid: header.Uid, gid: header.Gid, thread: header.Pid}
}

// identified is who asks as they are now: also when their thread has ended, and its number is another's.
func (a asker) identified() asker {
	identity := caller.Of(a.thread, a.uid, a.gid)
	a.identity = &identity
	return a
}

// askerOfRow is who made a handle, as its row says. If their thread has ended meanwhile they have neither groups nor capabilities.
func askerOfRow(words []uint64) asker {
	opener := originOf(words)
	from := asker{uid: opener.uid, gid: uint32(words[handleGroup]), thread: opener.thread}.identified()
	if !startedBefore(from.thread, opener.since) { // asked afterwards, so that it was so when its rights were read
		from.identity = &caller.Identity{UID: from.uid, GID: from.gid}
	}
	return from
}

// startedBefore says whether the thread that has a number now had it at a moment already.
func startedBefore(thread uint32, moment time.Time) bool {
	const (
		ticks     = 100 // a second, whatever the kernel's own
		startedAt = 19  // place behind the name, which may hold anything
	)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", thread))
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if err != nil || len(fields) <= startedAt {
		return false
	}
	started, err := strconv.ParseInt(fields[startedAt], 10, 64)
	var up unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return false
	}
	age := time.Duration(up.Nano()) - time.Duration(started)*(time.Second/ticks)
	return !time.Now().Add(-age).After(moment)
}

// as runs a function with the rights of who asks, so that the kernel decides what they may see. The daemon of an ordinary user serves
// that user alone, and has no other rights.
func (f *Filesystem) as(from asker, function func() error) error {
	if from == (asker{}) || os.Geteuid() != 0 {
		return function()
	}
	if from.identity == nil {
		from = from.identified()
	}
	return caller.As(*from.identity, function)
}
