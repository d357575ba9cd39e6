//go:build crashpoints

package fs

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

const limitedUser = 1002

// byLimitedUser is a request of somebody who has a file, "own", and no room beyond what the request takes.
func byLimitedUser(request func(*crashWorld) message) func(*crashWorld) message {
	return func(w *crashWorld) message {
		asked := request(w)
		asked.uid, asked.gid = limitedUser, limitedUser
		return asked
	}
}

// tight is a limit that a request just keeps.
type tight struct {
	objects, bytes int // that it takes of the user's, and of the mount's
	names          int // that it gives to what is there, which take an inode of the mount's each on tmpfs, and none of the user's
	kept           int // inodes of the mount's that somebody who is dead here keeps open, as a process that is really dead does not
}

// limitUser leaves the user so much.
func (l tight) limitUser(w *crashWorld) {
	held := w.f.tree.User(limitedUser).Held
	text := fmt.Sprintf("%d objects=%d bytes=%d", limitedUser, held.Objects+int64(l.objects), held.Bytes+int64(l.bytes))
	w.must("limiting the user", message{opcode: opSetxattr, node: 1, body: append(words(uint32(len(text)), 0, 0, 0), zeroEnded(w.f.control+controlQuota, text)...)})
}

// limitMount leaves everybody so much.
func (l tight) limitMount(w *crashWorld) {
	usage, err := w.f.tree.UsageFor(0)
	if err != nil {
		w.t.Fatal(err)
	}
	used, _, _ := w.f.tree.Charged()
	text := fmt.Sprintf("size=%d,nr_inodes=%d", used+int64(l.bytes), usage.Files-usage.Ffree+uint64(l.objects+l.names+l.kept))
	w.must("limiting the mount", message{opcode: opSetxattr, node: 1, body: append(words(uint32(len(text)), 0, 0, 0), zeroEnded(w.f.control+controlOptions, text)...)})
}

var limitedRequests = map[string]struct {
	crashRequest
	tight
}{
	"CREATE":     {crashRequest{createOf(0, "made"), true, entryOutSize}, tight{objects: 1}},
	"CREATE sem": {crashRequest{createOf(unix.O_EXCL, "sem.made"), true, entryOutSize}, tight{objects: 1, kept: 1}},
	"MKDIR":      {crashRequests["MKDIR"], tight{objects: 1}},
	"MKNOD":      {crashRequests["MKNOD"], tight{objects: 1}},
	"SYMLINK":    {crashRequests["SYMLINK"], tight{objects: 1, bytes: 4096}},
	"TMPFILE":    {crashRequests["TMPFILE"], tight{objects: 1, kept: 1}},
	"WHITEOUT":   {crashRequest{renameOf2("own", "moved", unix.RENAME_WHITEOUT), false, -1}, tight{objects: 1}},
	"WRITE":      {crashRequest{writeOf("own", 9000), false, -1}, tight{bytes: 8192}},
	"SETATTR":    {crashRequest{sizeByHandleOf("own", 9000), false, -1}, tight{bytes: 8192}},
	"truncate":   {crashRequest{sizeOf("own", 9000), false, -1}, tight{bytes: 8192}},
	"FALLOCATE":  {crashRequest{allocationOf("own", 0, 0, 9000), false, -1}, tight{bytes: 8192}},
	"KEEP_SIZE":  {crashRequest{allocationOf("own", unix.FALLOC_FL_KEEP_SIZE, 0, 9000), false, -1}, tight{bytes: 8192}},
	"LINK":       {crashRequests["LINK"], tight{names: 1}},
}

// TestCrashAtTheLimit has a process die at each crash point of what takes the last that there is, of the user's or the mount's. It is not
// taken twice, so that the request succeeds also when it comes again.
func TestCrashAtTheLimit(t *testing.T) {
	inProcesses(t, slices.Sorted(maps.Keys(limitedRequests)), func(t *testing.T, name string) {
		request := limitedRequests[name]
		for whose, limit := range map[string]func(tight, *crashWorld){"user": tight.limitUser, "mount": tight.limitMount} {
			t.Run(whose, func(t *testing.T) {
				limited := request.crashRequest
				limited.request = func(w *crashWorld) message {
					w.makeFile("own", "text")
					w.must("giving away", givenTo("own", limitedUser)(w))
					limit(request.tight, w)
					return byLimitedUser(request.request)(w)
				}
				limited.crashEverywhere(t, Strict)
				request.tight.requireFits(t, &limited)
			})
		}
	})
}

// requireFits demands that a request succeeds, and that nothing more is left behind it.
func (l tight) requireFits(t *testing.T, fits *crashRequest) {
	t.Helper()
	w := newCrashWorldUnder(t, Strict)
	defer w.end()
	if errno, _ := w.ask(fits.request(w)); errno != 0 {
		t.Errorf("it does not fit: errno %d", -errno)
	}
	more := createOf(0, "one-more")
	if l.bytes > 0 {
		more = allocationOf("own", 0, 0, 12289)
	}
	for range l.kept {
		w.makeFile("kept", "")
	}
	if errno, _ := w.ask(byLimitedUser(more)(w)); !slices.Contains([]unix.Errno{unix.EDQUOT, unix.ENOSPC}, unix.Errno(-errno)) {
		t.Errorf("more than fits: errno %d", -errno)
	}
}
