package conformance

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

var raceTests = map[string]test{
	"one of many creates exclusively":  raceExclusive,
	"appended records stay whole":      raceAppend,
	"appending processes lose nothing": raceAppendProcesses,
	"a replaced name always exists":    raceReplace,
	"create, link, unlink of one name": raceNames,
	"truncation beside reading":        raceTruncate,
	"writers of their own pages":       racePages,
	"renames across directories":       raceDirectories,
	"notification of changes":          raceNotify,
}

func raceExclusive(t *testing.T, dir string) {
	const racers = 4
	for round := range 30 {
		var won atomic.Int32
		var all sync.WaitGroup
		for range racers {
			all.Go(func() {
				fd, err := unix.Open(dir+"/"+itoa(round), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
				if err == nil {
					won.Add(1)
					unix.Close(fd)
				} else if err != unix.EEXIST {
					t.Errorf("open in a race: %v", err)
				}
			})
		}
		all.Wait()
		equal(t, won.Load(), 1, "winners of round %d", round)
	}
}

const recordSize = 64

// appendRecords appends records that say who wrote them and which they are.
func appendRecords(t T, path string, writer byte, count int) {
	f := open(t, path, unix.O_WRONLY|unix.O_APPEND, 0)
	for i := range count {
		record := bytes.Repeat([]byte{writer}, recordSize)
		binary.LittleEndian.PutUint32(record, uint32(i))
		n, err := unix.Write(f.fd, record)
		ok(t, err, "appending")
		equal(t, n, recordSize, "bytes appended")
	}
	f.close(t)
}

// wholeRecords requires each writer's records to be whole and in its order.
func wholeRecords(t T, data []byte, writers, count int) {
	t.Helper()
	equal(t, len(data), writers*count*recordSize, "bytes appended by all")
	next := map[byte]uint32{}
	for ; len(data) >= recordSize; data = data[recordSize:] {
		writer := data[recordSize-1]
		for _, b := range data[4:recordSize] {
			if b != writer {
				t.Fatalf("a record of writer %d is torn", writer)
			}
		}
		equal(t, binary.LittleEndian.Uint32(data), next[writer], "record of writer %d", writer)
		next[writer]++
	}
}

func raceAppend(t *testing.T, dir string) {
	create(t, dir+"/f").close(t)
	var all sync.WaitGroup
	for writer := range 4 {
		all.Go(func() { appendRecords(t, dir+"/f", byte(writer+1), 300) })
	}
	all.Wait()
	wholeRecords(t, contents(t, dir+"/f"), 4, 300)
}

func raceAppendProcesses(t *testing.T, dir string) {
	create(t, dir+"/f").close(t)
	var writers []*child
	for writer := range 3 {
		writers = append(writers, raceAppendStep.start(t, root, nil, dir+"/f", string(rune('a'+writer))))
	}
	for _, writer := range writers {
		writer.wait(t)
	}
	wholeRecords(t, contents(t, dir+"/f"), 3, 300)
}

var raceAppendStep = newStep("append records", func(p *process, arguments []string) {
	appendRecords(p, arguments[0], arguments[1][0], 300)
})

func raceReplace(t *testing.T, dir string) {
	createWith(t, dir+"/f", []byte("0")).close(t)
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				fd, err := unix.Open(dir+"/f", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					t.Errorf("opening a name that is being replaced: %v", err)
					return
				}
				buffer := make([]byte, 10)
				n, err := unix.Pread(fd, buffer, 0)
				if err != nil || n != 1 {
					t.Errorf("reading a file that was replaced: %d bytes, %v", n, err)
				}
				unix.Close(fd)
			}
		})
	}
	for i := range 200 {
		createWith(t, dir+"/new", []byte{byte('0' + i%10)}).close(t)
		ok(t, unix.Rename(dir+"/new", dir+"/f"), "rename")
	}
	stop.Store(true)
	readers.Wait()
	names(t, dir, "f")
}

func raceNames(t *testing.T, dir string) {
	may := func(err error, allowed ...unix.Errno) {
		for _, a := range allowed {
			if err == a {
				return
			}
		}
		if err != nil {
			t.Errorf("in a race: %v, which no order of the calls gives", err)
		}
	}
	var all sync.WaitGroup
	for w := range 3 {
		all.Go(func() {
			for range 150 {
				fd, err := unix.Open(dir+"/f", unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
				may(err)
				if err == nil {
					unix.Close(fd)
				}
				may(unix.Link(dir+"/f", dir+"/l"+itoa(w)), unix.ENOENT)
				may(unix.Rename(dir+"/l"+itoa(w), dir+"/f"), unix.ENOENT)
				may(unix.Unlink(dir+"/l"+itoa(w)), unix.ENOENT)
				may(unix.Unlink(dir+"/f"), unix.ENOENT)
			}
		})
	}
	all.Wait()
	for _, e := range list(t, openDirectory(t, dir), 4096)[2:] {
		ok(t, unix.Unlink(dir+"/"+e.name), "unlink of what was left")
	}
	names(t, dir)
}

func raceTruncate(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(8*page))
	var stop atomic.Bool
	var readers sync.WaitGroup
	readers.Go(func() {
		g, buffer := open(t, dir+"/f", unix.O_RDONLY, 0), make([]byte, 8*page)
		for !stop.Load() {
			n, err := unix.Pread(g.fd, buffer, 0)
			if err != nil || n < page || n > 8*page {
				t.Errorf("reading beside truncation: %d bytes, %v", n, err)
				return
			}
			sameBytes(t, buffer[:page], pattern(page), "the first page, which stays")
		}
	})
	for i := range 150 {
		f.truncate(t, int64((1+i%7)*page))
		f.truncate(t, int64(8*page))
	}
	stop.Store(true)
	readers.Wait()
	sameBytes(t, f.read(t, int64(7*page), page), make([]byte, page), "the last page")
}

func racePages(t *testing.T, dir string) {
	create(t, dir+"/f").close(t)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			f := open(t, dir+"/f", unix.O_RDWR, 0)
			for i := range 40 {
				f.write(t, int64((i*4+w)*1000), bytes.Repeat([]byte{byte(w + 1)}, 1000))
			}
		})
	}
	all.Wait()
	data := contents(t, dir+"/f")
	equal(t, len(data), 160_000, "bytes written by all")
	for i := range 160 {
		sameBytes(t, data[i*1000:(i+1)*1000], bytes.Repeat([]byte{byte(i%4 + 1)}, 1000), "part %d", i)
	}
}

func raceDirectories(t *testing.T, dir string) {
	mkdir(t, dir+"/a", 0o755)
	mkdir(t, dir+"/b", 0o755)
	var all sync.WaitGroup
	for w := range 3 {
		mkdir(t, dir+"/a/"+itoa(w), 0o755)
		all.Go(func() {
			for range 60 {
				for _, way := range [][2]string{{"/a/", "/b/"}, {"/b/", "/a/"}} {
					if err := unix.Rename(dir+way[0]+itoa(w), dir+way[1]+itoa(w)); err != nil {
						t.Errorf("rename between directories: %v", err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	names(t, dir+"/a", "0", "1", "2")
	names(t, dir+"/b")
	equal(t, stat(t, dir+"/a").Nlink, 5, "link count of the one directory")
	equal(t, stat(t, dir+"/b").Nlink, 2, "link count of the other")
}

func raceNotify(t *testing.T, dir string) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	ok(t, err, "inotify_init1")
	watch := adopt(t, fd)
	_, err = unix.InotifyAddWatch(watch.fd, dir, unix.IN_CREATE|unix.IN_MODIFY|unix.IN_CLOSE_WRITE|unix.IN_DELETE|unix.IN_MOVED_TO|unix.IN_ATTRIB)
	ok(t, err, "inotify_add_watch")
	f := create(t, dir+"/f")
	f.write(t, 0, []byte("x"))
	ok(t, unix.Fchmod(f.fd, 0o600), "fchmod")
	f.close(t)
	ok(t, unix.Rename(dir+"/f", dir+"/g"), "rename")
	ok(t, unix.Unlink(dir+"/g"), "unlink")
	buffer := make([]byte, 4096)
	n, err := unix.Read(watch.fd, buffer)
	ok(t, err, "reading the events")
	var seen []uint32
	for rest := buffer[:n]; len(rest) > 0; rest = rest[16+binary.NativeEndian.Uint32(rest[12:]):] {
		seen = append(seen, binary.NativeEndian.Uint32(rest[4:]))
	}
	want := []uint32{unix.IN_CREATE, unix.IN_MODIFY, unix.IN_ATTRIB, unix.IN_CLOSE_WRITE, unix.IN_MOVED_TO, unix.IN_DELETE}
	equal(t, len(seen), len(want), "events")
	for i := range min(len(seen), len(want)) {
		equal(t, seen[i], want[i], "event %d", i)
	}
}
