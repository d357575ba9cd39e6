//go:build crashpoints

package fs

import (
	"os"
	"testing"
)

// TestCrashWhileCreatorIsNoted has a process die at each crash point of making something, and others at those of taking up what it has left:
// who made it is known in the end.
func TestCrashWhileCreatorIsNoted(t *testing.T) {
	me := uint32(os.Getpid())
	for name, request := range makingOf(me) {
		t.Run(name, func(t *testing.T) {
			const noted = "objects: a node's creator is noted"
			visited := map[string]bool{}
			for visit := 0; ; visit++ {
				w := newCrashWorld(t)
				errno, body, point, died := w.crash(visit, request)
				if errno != 0 {
					t.Fatalf("dead at %q: errno %d", point, -errno)
				}
				node := w.learn(body)
				if lines := w.creatorLines(node); lines != linesOf(me) {
					t.Errorf("dead at %q:\n%s", point, lines)
				}
				w.dieAndGoOn()
				if lines := w.creatorLines(node); lines != linesOf(me) {
					t.Errorf("dead at %q and once more:\n%s", point, lines)
				}
				w.finish()
				w.end()
				if !died {
					break
				}
				visited[point] = true
			}
			if !visited[noted] || !visited["objects: a creator is recorded"] {
				t.Errorf("the points that are visited are %v", visited)
			}
		})
	}
}
