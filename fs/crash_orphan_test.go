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

// A semaphore whose attribute was set when all had closed it waits for its next users, though the process dies before it hears of the last close: at
// each crash point of setting the attribute, or behind it.
func TestCrashWhileOrphanAttributeIsSet(t *testing.T) {
	for visit := 0; setAfterClose(t, visit); visit++ {
	}
}

// setAfterClose is one death. False when it was behind all points.
func setAfterClose(t *testing.T, visit int) (died bool) {
	w := newCrashWorld(t)
	defer w.end()
	w.unique += 4
	release := message{
		unique: w.unique - 2, opcode: opRelease, node: w.nodes["sem.a"], body: append(le.AppendUint64(nil, w.handles["sem.a"]), make([]byte, 16)...),
	}
	set := message{
		unique: w.unique, opcode: opSetxattr, node: w.nodes["sem.a"], body: append(words(6, 0, 0, 0), zeroEnded(orphanAttribute, orphanRemove)...),
	}
	w.write(set)
	point, died := stopAt(visit, func() { w.step() })
	w.bury()
	w.begin()
	w.f.lookForLeftBehind()
	_, _, sent := w.answered(set.unique)
	if errno, _ := w.again(release); errno != 0 {
		t.Errorf("dead at %q: RELEASE: errno %d", point, -errno)
	}
	w.f.orphans.wait()
	if !sent {
		if errno, _ := w.again(set); errno != 0 {
			t.Errorf("dead at %q: SETXATTR: errno %d", point, -errno)
		}
		w.f.orphans.wait()
	}
	if _, err := w.f.tree.Peek(1, "sem.a"); err != nil {
		t.Errorf("dead at %q: the semaphore that waits for users: %v", point, err)
	}
	w.bury()
	w.begin()
	w.f.lookForLeftBehind()
	w.f.orphans.wait()
	if _, err := w.f.tree.Peek(1, "sem.a"); err != nil {
		t.Errorf("dead at %q, and again: the semaphore that waits for users: %v", point, err)
	}
	w.finish()
	return died
}
