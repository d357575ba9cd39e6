package objects

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAllocateReservesBehindTheEnd(t *testing.T) {
	onEachStore(t, 8*pageSize, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		defer object.Close()
		const keep = unix.FALLOC_FL_KEEP_SIZE
		wantNoError(t, "Allocate", object.Allocate(keep, 0, 4*pageSize))
		w.wantUsed(t, 4*pageSize)
		if stat := w.stat(t, entry.ID); stat.Size != 0 || stat.Blocks*512 < 4*pageSize {
			t.Errorf("%d bytes in %d blocks", stat.Size, stat.Blocks)
		}
		other := w.openObject(t, w.create(t, "other").ID)
		defer other.Close()
		wantNoError(t, "Resize of another", other.Resize(4*pageSize))
		wantNoError(t, "growing into what is reserved", object.Resize(4*pageSize))
		wantError(t, "Allocate of more than fits", object.Allocate(keep, 4*pageSize, 1), unix.ENOSPC)
		wantError(t, "growing over it", object.Resize(4*pageSize+1), unix.ENOSPC)
		w.wantUsed(t, 8*pageSize)
		wantNoError(t, "Resize to the same size", object.Resize(4*pageSize))
		wantNoError(t, "Resize", object.Resize(pageSize))
		w.wantUsed(t, 5*pageSize)
		wantNoError(t, "Allocate", object.Allocate(0, pageSize, 3*pageSize))
		w.wantUsed(t, 8*pageSize)
		if stat := w.stat(t, entry.ID); stat.Size != 4*pageSize {
			t.Errorf("%d bytes, want %d", stat.Size, 4*pageSize)
		}
	})
}

func TestPunchKeepsTheCharge(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		w.write(t, entry.ID, strings.Repeat("x", int(4*pageSize)), 0)
		object := w.openObject(t, entry.ID)
		defer object.Close()
		const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
		wantNoError(t, "punching", object.Allocate(punch, pageSize-1, pageSize+2))
		content := strings.Repeat("x", int(pageSize-1)) + strings.Repeat("\x00", int(pageSize+2)) + strings.Repeat("x", int(2*pageSize-1))
		w.wantContent(t, entry.ID, content)
		w.wantUsed(t, 4*pageSize)
	})
}

// A hole behind the end of the file is nothing: it must not take what was not charged.
func TestPunchTakesNothing(t *testing.T) {
	onEachStore(t, 4*pageSize, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		defer object.Close()
		const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
		for _, size := range []int64{0, 10, 2 * pageSize} {
			wantNoError(t, "Resize", object.Resize(size))
			for _, offset := range []int64{0, pageSize, 1 << 30} {
				wantNoError(t, "punching", object.Allocate(punch, offset, 64<<20))
				stat := w.stat(t, entry.ID)
				if stat.Blocks*512 > pages(size) {
					t.Errorf("a hole at %d in %d bytes takes %d bytes", offset, size, stat.Blocks*512)
				}
				if stat.Size != size {
					t.Errorf("%d bytes, want %d", stat.Size, size)
				}
			}
			w.wantUsed(t, pages(size))
		}
	})
}

// Whichever way a file grows, there is room on the disk for every page in it, its gaps included.
func TestDirectoryStoreReservesAllOfAFile(t *testing.T) {
	const keep = unix.FALLOC_FL_KEEP_SIZE
	ways := map[string]func(object *Object) error{
		"Resize":            func(object *Object) error { return object.Resize(20 * pageSize) },
		"a write":           func(object *Object) error { _, err := object.WriteAt([]byte("x"), 20*pageSize-1); return err },
		"an allocation":     func(object *Object) error { return object.Allocate(0, 19*pageSize, pageSize) },
		"Resize to charged": reservedThen(func(object *Object) error { return object.Resize(19 * pageSize) }),
		"a write to charged": reservedThen(func(object *Object) error {
			_, err := object.WriteAt([]byte("x"), 19*pageSize-1)
			return err
		}),
		"an allocation there": reservedThen(func(object *Object) error { return object.Allocate(0, 19*pageSize, pageSize) }),
		"a hole": func(object *Object) error {
			err := object.Resize(20 * pageSize)
			if err != nil {
				return err
			}
			return object.Allocate(unix.FALLOC_FL_PUNCH_HOLE|keep, pageSize, 5*pageSize)
		},
	}
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		if !w.kind.directory {
			return // a tmpfs has no room of its own: the ledger's promise is all
		}
		for way, grow := range ways {
			entry := w.create(t, "file")
			object := w.openObject(t, entry.ID)
			wantNoError(t, way, grow(object))
			if stat := w.stat(t, entry.ID); stat.Blocks*512 < stat.Size {
				t.Errorf("%s: %d bytes of disk for a file of %d bytes", way, stat.Blocks*512, stat.Size)
			}
			wantNoError(t, "closing", object.Close())
			w.unlink(t, "file")
			w.tree.Forget(entry.ID, 1)
		}
	})
}

// reservedThen reserves one page far behind the end before it does something: all up to there is charged then.
func reservedThen(do func(object *Object) error) func(object *Object) error {
	return func(object *Object) error {
		if err := object.Allocate(unix.FALLOC_FL_KEEP_SIZE, 19*pageSize, pageSize); err != nil {
			return err
		}
		return do(object)
	}
}

// The size can be set over what was reserved, and over what was stored there, without a descriptor of the caller's.
func TestChangeOfSizeOverAReservation(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		defer object.Close()
		_, err := object.WriteAt([]byte("hello"), 0)
		wantNoError(t, "WriteAt", err)
		wantNoError(t, "Allocate", object.Allocate(unix.FALLOC_FL_KEEP_SIZE, 0, 16*pageSize))
		for _, size := range []int64{2 * pageSize, 10*pageSize + 5, 20 * pageSize} {
			_, err = w.tree.Change(entry.ID, Change{Size: &size})
			wantNoError(t, "Change of the size", err)
		}
		w.wantContent(t, entry.ID, "hello"+strings.Repeat("\x00", int(20*pageSize-5)))
	})
}
