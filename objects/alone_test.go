package objects

import (
	"testing"

	"golang.org/x/sys/unix"
)

func (w *world) wantAlone(t reporter, object *Object, want bool) {
	t.Helper()
	alone, err := object.Alone()
	if err != nil || alone != want {
		t.Errorf("alone is %v (%v), want %v", alone, err, want)
	}
}

func TestAlone(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		file := w.create(t, "sem.a")
		object, err := w.tree.Open(file.ID, unix.O_RDONLY)
		wantNoError(t, "Open", err)
		defer object.Close()
		w.wantAlone(t, object, true)
		for _, access := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR} {
			other, err := w.tree.Open(file.ID, access)
			wantNoError(t, "Open", err)
			w.wantAlone(t, object, false)
			wantNoError(t, "Close", other.Close())
			w.wantAlone(t, object, true)
		}
	})
}

// A mapping counts after what it was made of is closed.
func TestMappedIsNotAlone(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		file := w.create(t, "sem.a")
		wantNoError(t, "Change", func() error {
			size := int64(32)
			_, err := w.tree.Change(file.ID, Change{Size: &size})
			return err
		}())
		object, err := w.tree.Open(file.ID, unix.O_RDONLY)
		wantNoError(t, "Open", err)
		defer object.Close()
		other, err := w.tree.Open(file.ID, unix.O_RDONLY)
		wantNoError(t, "Open", err)
		memory, err := unix.Mmap(other.Region().Descriptor(), 0, 32, unix.PROT_READ, unix.MAP_SHARED)
		wantNoError(t, "mmap", err)
		wantNoError(t, "Close", other.Close())
		w.wantAlone(t, object, false)
		wantNoError(t, "munmap", unix.Munmap(memory))
		w.wantAlone(t, object, true)
	})
}

// Whoever opens the file while somebody finds out whether he is alone only waits.
func TestOpenWhileSomebodyLooks(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		file := w.create(t, "sem.a")
		object, err := w.tree.Open(file.ID, unix.O_RDONLY)
		wantNoError(t, "Open", err)
		defer object.Close()
		stop, done := make(chan struct{}), make(chan error)
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := object.Alone(); err != nil {
					done <- err
					return
				}
			}
		}()
		for range 2000 {
			other, err := w.tree.Open(file.ID, unix.O_RDWR)
			wantNoError(t, "Open", err)
			wantNoError(t, "Close", other.Close())
		}
		close(stop)
		wantNoError(t, "Alone", <-done)
	})
}
