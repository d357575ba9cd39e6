//go:build crashpoints

package fs

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCrashWhileSemaphoreIsLeft has a process die at each crash point of closing a semaphore that is to be removed when nobody uses it
// any more, up to where it begins to look for that: whoever goes on removes it.
func TestCrashWhileSemaphoreIsLeft(t *testing.T) {
	const last = "fs: a file is closed"
	var visited []string
	for visit := 0; !slices.Contains(visited, last); visit++ {
		point, died := leaveSemaphore(t, visit)
		if !died {
			t.Fatalf("the points of closing a semaphore are %q, without %q", visited, last)
		}
		visited = append(visited, point)
	}
}

// leaveSemaphore is one death.
func leaveSemaphore(t *testing.T, visit int) (point string, died bool) {
	w := newCrashWorld(t)
	defer w.end()
	w.must("asking for it to be removed", message{
		opcode: opSetxattr, node: w.nodes["sem.a"], body: append(words(6, 0, 0, 0), zeroEnded(orphanAttribute, orphanRemove)...),
	})
	w.unique += 2
	request := message{
		unique: w.unique, opcode: opRelease, node: w.nodes["sem.a"], body: append(le.AppendUint64(nil, w.handles["sem.a"]), make([]byte, 16)...),
	}
	w.write(request)
	if point, died = stopAt(visit, func() { w.step() }); !died {
		return "", false
	}
	w.bury()
	w.begin()
	w.f.lookForLeftBehind()
	request.unique |= resent
	w.write(request)
	w.step()
	if errno, _ := w.answerTo(request.unique); errno != 0 {
		t.Errorf("dead at %q: RELEASE: errno %d", point, -errno)
	}
	w.f.orphans.wait()
	if _, err := w.f.tree.Peek(1, "sem.a"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("dead at %q: the semaphore that nobody uses: %v", point, err)
	}
	w.finish()
	return point, true
}
