package objects

import (
	"bytes"
	"math"
	"strings"
	"sync"
	"testing"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

func TestWriteChargesWholePages(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		object := w.openObject(t, w.create(t, "file").ID)
		defer object.Close()
		steps := []struct {
			offset    int64
			length    int
			wantPages int64
		}{
			{0, 1, 1}, {1, 10, 1}, {pageSize - 1, 1, 1}, {pageSize, 1, 2}, {0, int(2 * pageSize), 2}, {9 * pageSize, 1, 10}, {5, 5, 10},
		}
		for _, s := range steps {
			n, err := object.WriteAt(bytes.Repeat([]byte("x"), s.length), s.offset)
			if n != s.length || err != nil {
				t.Errorf("wrote %d of %d, %v", n, s.length, err)
			}
			w.wantUsed(t, s.wantPages*pageSize)
		}
	})
}

// What fits is written, as tmpfs does; what remains is ENOSPC.
func TestWriteOfMoreThanFits(t *testing.T) {
	onEachStore(t, 4*pageSize, func(t *testing.T, w *world) {
		other := w.create(t, "other")
		w.write(t, other.ID, "x", 0)
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		defer object.Close()
		data := bytes.Repeat([]byte("abcd"), int(pageSize))
		n, err := object.WriteAt(data, 10)
		if want := int(3*pageSize - 10); n != want || err != nil {
			t.Errorf("wrote %d, %v; want %d", n, err, want)
		}
		w.wantUsed(t, 4*pageSize)
		n, err = object.WriteAt(data, 3*pageSize)
		wantError(t, "writing when full", err, unix.ENOSPC)
		if n != 0 {
			t.Errorf("wrote %d", n)
		}
		_, err = object.WriteAt(data, 100*pageSize)
		wantError(t, "writing far behind the end", err, unix.ENOSPC)
		w.wantContent(t, entry.ID, strings.Repeat("\x00", 10)+string(data[:3*pageSize-10]))
		w.wantUsed(t, 4*pageSize)
		if n, err := object.WriteAt(data, pageSize); n != int(2*pageSize) || err != nil {
			t.Errorf("wrote %d over what is there, %v; want %d", n, err, 2*pageSize)
		}
	})
}

// A write of nothing does nothing, wherever.
func TestWriteOfNothing(t *testing.T) {
	onEachStore(t, 4*pageSize, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		defer object.Close()
		for _, offset := range []int64{0, 10, 3 * pageSize, 1 << 40} {
			if n, err := object.WriteAt(nil, offset); n != 0 || err != nil {
				t.Errorf("writing nothing at %d: %d, %v", offset, n, err)
			}
			if stat := w.stat(t, entry.ID); stat.Size != 0 {
				t.Errorf("writing nothing at %d made the size %d", offset, stat.Size)
			}
		}
		w.wantUsed(t, 0)
	})
}

func TestRefusedRanges(t *testing.T) {
	onEachStore(t, 4*pageSize, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		defer object.Close()
		write := func(offset int64) error { _, err := object.WriteAt([]byte("0123456789"), offset); return err }
		const keep, punch = unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
		cases := map[string]struct{ err, want error }{
			"writing before the start":      {write(-5), unix.EINVAL},
			"writing over the largest size": {write(math.MaxInt64 - 5), unix.EFBIG},
			"writing at half the largest":   {write(math.MaxInt64 / 2), unix.ENOSPC},
			"resizing to the largest":       {object.Resize(math.MaxInt64), unix.ENOSPC},
			"allocating nothing":            {object.Allocate(0, 0, 0), unix.EINVAL},
			"allocating before the start":   {object.Allocate(0, -1, 5), unix.EINVAL},
			"allocating less than nothing":  {object.Allocate(keep, 0, -5), unix.EINVAL},
			"allocating too far":            {object.Allocate(keep, math.MaxInt64, 1), unix.EFBIG},
			"allocating the most":           {object.Allocate(keep, 0, math.MaxInt64), unix.ENOSPC},
			"punching nothing":              {object.Allocate(punch, 0, 0), unix.EINVAL},
			"punching too far":              {object.Allocate(punch, 2, math.MaxInt64-1), unix.EFBIG},
			"punching and growing":          {object.Allocate(unix.FALLOC_FL_PUNCH_HOLE, 0, 1), unix.EOPNOTSUPP},
			"zeroing":                       {object.Allocate(unix.FALLOC_FL_ZERO_RANGE, 0, 1), unix.EOPNOTSUPP},
			"collapsing":                    {object.Allocate(unix.FALLOC_FL_COLLAPSE_RANGE, 0, pageSize), unix.EOPNOTSUPP},
			"inserting":                     {object.Allocate(unix.FALLOC_FL_INSERT_RANGE, 0, pageSize), unix.EOPNOTSUPP},
		}
		for name, c := range cases {
			wantError(t, name, c.err, c.want)
		}
		if stat := w.stat(t, entry.ID); stat.Size != 0 || stat.Blocks != 0 {
			t.Errorf("%d bytes in %d blocks", stat.Size, stat.Blocks)
		}
		w.wantUsed(t, 0)
	})
}

func TestResizeCharges(t *testing.T) {
	onEachStore(t, 4*pageSize, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		defer object.Close()
		steps := []struct{ size, wantPages int64 }{
			{1, 1}, {4 * pageSize, 4}, {2*pageSize + 1, 3}, {2 * pageSize, 2}, {0, 0}, {pageSize, 1},
		}
		for _, s := range steps {
			wantNoError(t, "Resize", object.Resize(s.size))
			w.wantUsed(t, s.wantPages*pageSize)
		}
		wantError(t, "Resize to more than fits", object.Resize(4*pageSize+1), unix.ENOSPC)
		w.wantUsed(t, pageSize)
		if stat := w.stat(t, entry.ID); stat.Size != pageSize {
			t.Errorf("%d bytes, want %d", stat.Size, pageSize)
		}
	})
}

// A file that grows shows zeros, even where a mapping has stored past its end.
func TestGrowthShowsZeros(t *testing.T) {
	ways := map[string]func(object *Object) error{
		"Resize":            func(object *Object) error { return object.Resize(3 * pageSize) },
		"Allocate":          func(object *Object) error { return object.Allocate(0, pageSize, 2*pageSize) },
		"WriteAt":           func(object *Object) error { _, err := object.WriteAt([]byte{0}, 3*pageSize-1); return err },
		"WriteAt near by":   func(object *Object) error { _, err := object.WriteAt([]byte{0}, 200); return err },
		"WriteAt reserved":  growIntoReserved,
		"Resize to the end": func(object *Object) error { return object.Resize(pageSize) },
	}
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		for way, grow := range ways {
			entry := w.create(t, "file")
			object := w.openObject(t, entry.ID)
			_, err := object.WriteAt([]byte("hello"), 0)
			wantNoError(t, "WriteAt", err)
			scribble(t, object.Region(), 100, "scribble")
			wantNoError(t, way, grow(object))
			size, err := object.Region().Size()
			wantNoError(t, "Size", err)
			w.wantContent(t, entry.ID, "hello"+strings.Repeat("\x00", int(size)-5))
			wantNoError(t, "closing", object.Close())
			w.unlink(t, "file")
			w.tree.Forget(entry.ID, 1)
		}
		w.wantEmpty(t)
	})
}

func growIntoReserved(object *Object) error {
	if err := object.Allocate(unix.FALLOC_FL_KEEP_SIZE, 0, 3*pageSize); err != nil {
		return err
	}
	_, err := object.WriteAt([]byte{0}, 2*pageSize)
	return err
}

// scribble stores through a mapping.
func scribble(t reporter, region *mmapcore.Region, offset int64, text string) {
	t.Helper()
	page := offset / pageSize * pageSize
	mapping, err := region.Map(page, int(pageSize), mmapcore.ReadWrite)
	wantNoError(t, "mapping", err)
	defer mapping.Unmap()
	_, err = mapping.WriteAt([]byte(text), offset-page)
	wantNoError(t, "storing through a mapping", err)
}

func TestTruncateMovesTheTimes(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		defer object.Close()
		for _, content := range []string{"", "hello"} {
			w.write(t, entry.ID, content, 0)
			old := unix.Timespec{Sec: 1000}
			_, err := w.tree.Change(entry.ID, Change{Atime: &old, Mtime: &old})
			wantNoError(t, "Change", err)
			wantNoError(t, "Truncate", object.Truncate(nil))
			if stat := w.stat(t, entry.ID); stat.Size != 0 || stat.Mtim.Sec <= 1000 || stat.Atim.Sec != 1000 {
				t.Errorf("%d bytes, changed at %d, read at %d", stat.Size, stat.Mtim.Sec, stat.Atim.Sec)
			}
			w.wantUsed(t, 0)
		}
	})
}

func TestOpenFollowsTheAccessAsked(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		w.write(t, entry.ID, "hello", 0)
		reader, err := w.tree.Open(entry.ID, unix.O_RDONLY)
		wantNoError(t, "Open", err)
		defer reader.Close()
		_, err = reader.WriteAt([]byte("J"), 0)
		wantError(t, "writing what is open for reading", err, unix.EBADF)
		_, err = reader.WriteAt([]byte("J"), 2*pageSize)
		wantError(t, "extending what is open for reading", err, unix.EBADF)
		wantError(t, "resizing what is open for reading", reader.Resize(0), unix.EINVAL)
		writer, err := w.tree.Open(entry.ID, unix.O_WRONLY)
		wantNoError(t, "Open", err)
		defer writer.Close()
		_, err = writer.ReadAt(make([]byte, 1), 0)
		wantError(t, "reading what is open for writing", err, unix.EBADF)
		w.wantContent(t, entry.ID, "hello")
		w.wantUsed(t, pageSize)
	})
}

// Under commit=lazy nothing is charged and memory is the store's to refuse.
func TestLazyCommit(t *testing.T) {
	for name, kind := range storeKinds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind, t.TempDir(), -1)
			defer func() { w.close(t) }()
			entry := w.create(t, "file")
			object := w.openObject(t, entry.ID)
			defer object.Close()
			wantNoError(t, "Resize", object.Resize(1<<40))
			if stat := w.stat(t, entry.ID); stat.Size != 1<<40 || stat.Blocks != 0 {
				t.Errorf("%d bytes in %d blocks", stat.Size, stat.Blocks)
			}
			_, err := object.WriteAt([]byte("far"), 1<<40)
			wantNoError(t, "WriteAt", err)
			wantNoError(t, "Allocate", object.Allocate(unix.FALLOC_FL_KEEP_SIZE, 0, 4*pageSize))
			wantNoError(t, "punching", object.Allocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4*pageSize))
			wantNoError(t, "Truncate", object.Truncate(nil))
			w.unlink(t, "file")
			w.tree.Forget(entry.ID, 1)
			w.wantGone(t, entry.ID)
		})
	}
}

// Two objects of one file take turns at its end: what one appends, the other's growing does not wipe out.
func TestTwoObjectsOfOneFile(t *testing.T) {
	for commit, limit := range map[string]int64{"strict": smallLimit, "lazy": -1} {
		t.Run(commit, func(t *testing.T) {
			w := newWorld(t, storeKinds["tmpfs"], "", limit)
			defer func() { w.close(t) }()
			entry := w.create(t, "file")
			writer, other := w.openObject(t, entry.ID), w.openObject(t, entry.ID)
			defer writer.Close()
			defer other.Close()
			for range 2000 {
				wantNoError(t, "Truncate", writer.Truncate(nil))
				_, err := writer.WriteAt([]byte("x"), 0)
				wantNoError(t, "WriteAt", err)
				var growing sync.WaitGroup
				growing.Go(func() {
					if err := other.Resize(200); err != nil {
						t.Error(err)
					}
				})
				_, err = writer.WriteAt([]byte("appended"), 1)
				wantNoError(t, "appending", err)
				growing.Wait()
				got := make([]byte, 9)
				if _, err := writer.ReadAt(got, 0); err != nil || string(got) != "xappended" {
					t.Fatalf("the file holds %q, %v", got, err)
				}
			}
			w.unlink(t, "file")
			w.tree.Forget(entry.ID, 1)
		})
	}
}
