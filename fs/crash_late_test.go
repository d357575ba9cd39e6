//go:build crashpoints

package fs

import (
	"fmt"
	"testing"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// attemptCounts is the crash point behind which a thread of a process that has died may still do what was attempted.
const attemptCounts = "fs: an attempt counts"

// lateDeeds are what such a thread does in the store, by the names of crashRequests.
var lateDeeds = map[string]func(root int) error{
	"MKDIR":              func(root int) error { return unix.Mkdirat(root, "made", 0o755) },
	"MKNOD":              func(root int) error { return unix.Mknodat(root, "made", unix.S_IFIFO|0o600, 0) },
	"LINK":               func(root int) error { return unix.Linkat(root, "file", root, "made", 0) },
	"UNLINK":             func(root int) error { return unix.Unlinkat(root, "file", 0) },
	"UNLINK of a second": func(root int) error { return unix.Unlinkat(root, "second", 0) },
	"UNLINK sem":         func(root int) error { return unix.Unlinkat(root, "sem.a", 0) },
	"RMDIR":              func(root int) error { return unix.Unlinkat(root, "empty", unix.AT_REMOVEDIR) },
	"RENAME":             func(root int) error { return unix.Renameat(root, "file", root, "moved") },
	"RENAME over":        func(root int) error { return unix.Renameat(root, "file", root, "other") },
	"RENAME NOREPLACE": func(root int) error {
		return unix.Renameat2(root, "file", root, "moved", unix.RENAME_NOREPLACE)
	},
	"SETXATTR CREATE": func(root int) error {
		return unix.Setxattr(fmt.Sprintf("/proc/self/fd/%d/file", root), "user.new", []byte("new"), unix.XATTR_CREATE)
	},
	"REMOVEXATTR": func(root int) error {
		return unix.Removexattr(fmt.Sprintf("/proc/self/fd/%d/file", root), "user.old")
	},
}

// A thread of a dead process does what was attempted when another process has begun: before the request comes again, or when that one is
// about to do the same. The kernel gets the answer that it would have got all the same, and it has happened once.
func TestCrashAttemptIsDoneLate(t *testing.T) {
	for name, deed := range lateDeeds {
		request := crashRequests[name]
		w := newCrashWorld(t)
		if errno, _ := w.ask(request.request(w)); errno != 0 {
			t.Fatalf("%s: errno %d", name, -errno)
		}
		after := w.picture()
		w.end()
		for moment, isDone := range map[string]func(w *crashWorld, run, do func()){
			"before it comes again": func(_ *crashWorld, run, do func()) { do(); run() },
			"when it is tried":      func(_ *crashWorld, run, do func()) { whenVisited(attemptCounts, do, run) },
		} {
			t.Run(name+" "+moment, func(t *testing.T) {
				w := newCrashWorld(t)
				defer w.end()
				sent := w.dieAt(attemptCounts, request.request(w))
				w.begin()
				do := func() {
					if err := deed(int(w.connection.Store.Fd())); err != nil {
						t.Errorf("doing it late: %v", err)
					}
				}
				var errno int32
				var body []byte
				isDone(w, func() { errno, body = w.again(sent) }, do)
				if errno != 0 {
					t.Fatalf("errno %d", -errno)
				}
				if found := w.picture(); found != after {
					t.Errorf("there is\n%s\n\nwould be\n%s", found, after)
				}
				if left := len(w.f.late.byRequest); left != 0 {
					t.Errorf("%d attempts are still expected to be done late", left)
				}
				request.check(w, body)
				w.finish()
			})
		}
	}
}

// whenVisited runs something, and does another thing at its first visit to a crash point.
func whenVisited(point string, do, run func()) {
	done := false
	stop := crashpoint.Watch(func(name string) {
		if name == point && !done {
			done = true
			do()
		}
	})
	defer stop()
	run()
}
