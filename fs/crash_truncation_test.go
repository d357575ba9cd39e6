//go:build crashpoints

package fs

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestCrashTruncatesOnce has a process die at each crash point of an open with O_TRUNC. What another client writes to the file once it is empty
// stays, though the open comes again behind it.
func TestCrashTruncatesOnce(t *testing.T) {
	emptied := 0
	for visit := 0; ; visit++ {
		found, died := truncateAndWrite(t, visit)
		if !died {
			break
		}
		if found {
			emptied++
		}
	}
	if emptied < 3 {
		t.Errorf("the process died at %d points behind the truncation", emptied)
	}
}

// truncateAndWrite is one death, and says whether the file was empty then.
func truncateAndWrite(t *testing.T, visit int) (emptied, died bool) {
	w := newCrashWorld(t)
	defer w.end()
	w.unique += 4
	opening := openOf("file", unix.O_WRONLY|unix.O_TRUNC)(w)
	opening.unique = w.unique
	w.write(opening)
	point, died := stopAt(visit, func() { w.step() })
	if !died {
		return false, false
	}
	w.bury()
	w.begin()
	_, _, sent := w.answered(opening.unique)
	stat, err := w.f.tree.Stat(w.nodes["file"])
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	if emptied = stat.Size == 0; emptied {
		want = "written behind"
		writing := message{unique: w.unique - 2, opcode: opWrite, node: w.nodes["file"], body: writeBody(w.handles["file"], 0, []byte(want))}
		if errno, _ := w.again(writing); errno != 0 {
			t.Fatalf("WRITE: errno %d", -errno)
		}
	}
	if !sent {
		if errno, _ := w.again(opening); errno != 0 {
			t.Errorf("dead at %q: OPEN: errno %d", point, -errno)
		}
	}
	if errno, text := w.read(w.nodes["file"], w.handles["file"]); errno != 0 || string(text) != want {
		t.Errorf("dead at %q: errno %d, the file has %q, not %q", point, -errno, text, want)
	}
	return emptied, true
}
