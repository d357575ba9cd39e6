package conformance

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

var timeTests = map[string]test{
	"set to the nanosecond":                  timeSet,
	"now and omit":                           timeNowOmit,
	"bad nanoseconds":                        timeBad,
	"far from now":                           timeFar,
	"setting moves ctime":                    timeSetStamps,
	"of a descriptor":                        timeDescriptor,
	"of directories":                         timeDirectory,
	"rights":                                 timeRights,
	"write stamps":                           timeWrite,
	"truncate stamps":                        timeTruncate,
	"emptying an empty file":                 timeEmpty,
	"read stamps atime":                      timeRead,
	"listing stamps atime":                   timeListing,
	"writing through a mapping stamps":       timeMapped,
	"a set time stays after writing stopped": timeStays,
	"set while written":                      timeSetWhileWritten,
}

func setTimes(t T, path string, atime, mtime unix.Timespec) {
	t.Helper()
	ok(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{atime, mtime}, 0), "utimensat")
}

func timeSet(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	for _, at := range []unix.Timespec{{Sec: 1, Nsec: 1}, {Sec: 1234567890, Nsec: 123456789}, {Sec: 0, Nsec: 999999999}, {}} {
		other := unix.Timespec{Sec: at.Sec + 7, Nsec: at.Nsec / 3}
		setTimes(t, dir+"/f", at, other)
		equal(t, f.stat(t).Atim, at, "atime")
		equal(t, f.stat(t).Mtim, other, "mtime")
		equal(t, stat(t, dir+"/f"), f.stat(t), "stat beside fstat")
	}
}

func timeNowOmit(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	set := []unix.Timespec{{Sec: 10, Nsec: 11}, {Sec: 20, Nsec: 21}}
	setTimes(t, dir+"/f", set[0], set[1])
	omit, now := unix.Timespec{Nsec: unix.UTIME_OMIT}, unix.Timespec{Nsec: unix.UTIME_NOW}
	before := stat(t, dir+"/f")
	tick(t)
	setTimes(t, dir+"/f", omit, omit)
	equal(t, stat(t, dir+"/f"), before, "after omitting both")
	start := clock(t, unix.CLOCK_REALTIME_COARSE)
	setTimes(t, dir+"/f", omit, now)
	s := stat(t, dir+"/f")
	equal(t, s.Atim, set[0], "atime, omitted")
	isTrue(t, s.Mtim.Nano() >= start && s.Mtim.Nano() <= clock(t, unix.CLOCK_REALTIME), "mtime %v is now", s.Mtim)
	setTimes(t, dir+"/f", now, set[1])
	s = stat(t, dir+"/f")
	equal(t, s.Mtim, set[1], "mtime, set")
	isTrue(t, s.Atim.Nano() >= start && s.Atim.Nano() <= clock(t, unix.CLOCK_REALTIME), "atime %v is now", s.Atim)
	setTimes(t, dir+"/f", set[1], omit)
	s = stat(t, dir+"/f")
	equal(t, s.Atim, set[1], "atime, set")
	equal(t, s.Mtim, set[1], "mtime, omitted")
	ok(t, unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/f", nil, 0), "utimensat of nothing")
	s = stat(t, dir+"/f")
	equal(t, s.Atim, s.Mtim, "both are the same now")
	isTrue(t, s.Mtim.Nano() >= start, "mtime is now")
}

func timeBad(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	before := stat(t, dir+"/f")
	for _, nanoseconds := range []int64{-1, 1_000_000_000, 1 << 31} {
		bad := []unix.Timespec{{Sec: 1}, {Sec: 1, Nsec: nanoseconds}}
		fails(t, unix.EINVAL, unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/f", bad, 0), "%d nanoseconds", nanoseconds)
	}
	fails(t, unix.EINVAL, unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/f", nil, 1<<20), "unknown flags")
	equal(t, stat(t, dir+"/f"), before, "after the refusals")
}

func timeFar(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	for _, seconds := range []int64{-1, -2147483648, -2147483649, 2147483647, 2147483648, 4294967296, 253402300799, -62135596800} {
		setTimes(t, dir+"/f", unix.Timespec{Sec: seconds, Nsec: 5}, unix.Timespec{Sec: seconds, Nsec: 999999999})
		s := stat(t, dir+"/f")
		equal(t, s.Atim, unix.Timespec{Sec: seconds, Nsec: 5}, "atime")
		equal(t, s.Mtim, unix.Timespec{Sec: seconds, Nsec: 999999999}, "mtime")
	}
}

func timeSetStamps(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	before := stat(t, dir+"/f")
	tick(t)
	setTimes(t, dir+"/f", before.Atim, before.Mtim)
	after := stat(t, dir+"/f")
	isTrue(t, after.Ctim.Nano() > before.Ctim.Nano(), "setting times moves ctime")
	equal(t, after.Mtim, before.Mtim, "mtime")
	equal(t, after.Atim, before.Atim, "atime")
}

func timeDescriptor(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	f := open(t, dir+"/f", unix.O_RDONLY, 0)
	want := []unix.Timespec{{Sec: 3, Nsec: 33}, {Sec: 4, Nsec: 44}}
	ok(t, unix.UtimesNanoAt(unix.AT_FDCWD, self(f), want, 0), "utimensat through /proc")
	equal(t, f.stat(t).Mtim, want[1], "mtime")
	ok(t, unix.UtimesNanoAt(f.fd, "", want[:2], unix.AT_EMPTY_PATH), "utimensat of the descriptor")
	ok(t, unix.Futimes(f.fd, []unix.Timeval{{Sec: 5, Usec: 6}, {Sec: 7, Usec: 8}}), "futimes")
	equal(t, f.stat(t).Mtim, unix.Timespec{Sec: 7, Nsec: 8000}, "mtime")
}

func timeDirectory(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	setTimes(t, dir+"/d", unix.Timespec{Sec: 1, Nsec: 2}, unix.Timespec{Sec: 3, Nsec: 4})
	equal(t, stat(t, dir+"/d").Mtim, unix.Timespec{Sec: 3, Nsec: 4}, "mtime")
	touch(t, dir+"/d/f", 0o644)
	isTrue(t, stat(t, dir+"/d").Mtim.Sec > 3, "an entry moves the mtime from the past")
}

func timeRights(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	touch(t, dir+"/w", 0o666)
	timeRightsStep.run(t, alice, dir)
}

var timeRightsStep = newStep("set another's times", func(p *process, arguments []string) {
	now, omit := unix.Timespec{Nsec: unix.UTIME_NOW}, unix.Timespec{Nsec: unix.UTIME_OMIT}
	set := func(name string, times ...unix.Timespec) error {
		return unix.UtimesNanoAt(unix.AT_FDCWD, arguments[0]+name, times, 0)
	}
	fails(p, unix.EACCES, set("/f"), "nothing, of a file one cannot write")
	fails(p, unix.EACCES, set("/f", now, now), "now, of a file one cannot write")
	fails(p, unix.EPERM, set("/f", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1}), "a time, of a file one cannot write")
	fails(p, unix.EPERM, set("/w", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 1}), "a time, of a file one can write")
	fails(p, unix.EPERM, set("/w", now, omit), "now and omit, of a file one can write")
	ok(p, set("/w", now, now), "now, of a file one can write")
	ok(p, set("/f", omit, omit), "omitting both")
})

func timeWrite(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("data"))
	g := open(t, dir+"/f", unix.O_RDONLY, 0)
	for round := range 3 {
		before := g.stat(t)
		tick(t)
		f.write(t, 0, []byte("DATA"))
		after := g.stat(t)
		stamped(t, before, after, "the file")
		equal(t, after.Atim, before.Atim, "atime in round %d", round)
		equal(t, stat(t, dir+"/f"), after, "stat beside fstat")
	}
}

func timeTruncate(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(100))
	before := f.stat(t)
	tick(t)
	f.truncate(t, 50)
	stamped(t, before, f.stat(t), "the shrunk file")
	before = f.stat(t)
	tick(t)
	f.truncate(t, 500)
	stamped(t, before, f.stat(t), "the grown file")
	before = f.stat(t)
	tick(t)
	f.truncate(t, 500)
	stamped(t, before, f.stat(t), "the file given the same size by ftruncate")
	before = f.stat(t)
	tick(t)
	ok(t, unix.Truncate(dir+"/f", 500), "truncate")
	stamped(t, before, f.stat(t), "the file given the same size by truncate, which has data")
	before = f.stat(t)
	tick(t)
	ok(t, unix.Truncate(dir+"/f", 499), "truncate")
	stamped(t, before, f.stat(t), "the file shrunk by name")
}

// timeEmpty tells O_TRUNC from truncate(2), which leaves an empty file alone: also when the same thread opens just before.
func timeEmpty(t *testing.T, dir string) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f := create(t, dir+"/f")
	for range 3 {
		before := f.stat(t)
		tick(t)
		open(t, dir+"/f", unix.O_WRONLY|unix.O_TRUNC, 0)
		after := f.stat(t)
		stamped(t, before, after, "the file opened with O_TRUNC")
		tick(t)
		open(t, dir+"/f", unix.O_RDWR, 0)
		ok(t, unix.Truncate(dir+"/f", 0), "truncate")
		equal(t, f.stat(t), after, "the file given the same size by truncate")
	}
}

func timeRead(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(100))
	setTimes(t, dir+"/f", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 2})
	equal(t, f.stat(t).Atim.Sec, 1, "atime before reading")
	f.read(t, 0, 10)
	s := f.stat(t)
	isTrue(t, s.Atim.Sec > 2, "reading moves an atime older than mtime (it is %v)", s.Atim)
	equal(t, s.Mtim.Sec, 2, "mtime after reading")
	equal(t, stat(t, dir+"/f").Atim, s.Atim, "atime by name")
	g := open(t, dir+"/f", unix.O_RDONLY|unix.O_NOATIME, 0)
	setTimes(t, dir+"/f", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 2})
	g.read(t, 0, 10)
	equal(t, f.stat(t).Atim.Sec, 1, "atime after reading with O_NOATIME")
}

func timeListing(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	touch(t, dir+"/d/f", 0o644)
	setTimes(t, dir+"/d", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 2})
	names(t, dir+"/d", "f")
	isTrue(t, stat(t, dir+"/d").Atim.Sec > 2, "listing moves an atime older than mtime")
	ok(t, unix.Symlink("f", dir+"/l"), "symlink")
	old := []unix.Timespec{{Sec: 1}, {Sec: 2}}
	ok(t, unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/l", old, unix.AT_SYMLINK_NOFOLLOW), "utimensat")
	_, err := unix.Readlink(dir+"/l", make([]byte, 10))
	ok(t, err, "readlink")
	isTrue(t, lstat(t, dir+"/l").Atim.Sec > 2, "readlink moves an atime older than mtime")
}

func timeMapped(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	memory := f.share(t, 2*page)
	setTimes(t, dir+"/f", unix.Timespec{Sec: 1}, unix.Timespec{Sec: 2})
	before := f.stat(t)
	tick(t)
	memory[0] = 9
	ok(t, unix.Msync(memory, unix.MS_SYNC), "msync")
	stamped(t, before, f.stat(t), "the file stored to")
}

func timeStays(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(3*page))
	memory := f.share(t, page)
	f.write(t, 0, pattern(page))
	memory[0] = 1
	ok(t, unix.Msync(memory, unix.MS_SYNC), "msync")
	ok(t, unix.Fsync(f.fd), "fsync")
	setTimes(t, dir+"/f", unix.Timespec{Sec: 111, Nsec: 1}, unix.Timespec{Sec: 222, Nsec: 2})
	unmap(t, memory)
	ok(t, unix.Fsync(f.fd), "fsync")
	f.close(t)
	equal(t, stat(t, dir+"/f").Mtim, unix.Timespec{Sec: 222, Nsec: 2}, "mtime after the last close")
	equal(t, stat(t, dir+"/f").Atim, unix.Timespec{Sec: 111, Nsec: 1}, "atime after the last close")
}

func timeSetWhileWritten(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.write(t, 0, pattern(2*page))
	setTimes(t, dir+"/f", unix.Timespec{Sec: 111}, unix.Timespec{Sec: 222})
	equal(t, f.stat(t).Mtim.Sec, 222, "mtime set after a write")
	ok(t, unix.Fsync(f.fd), "fsync")
	equal(t, f.stat(t).Mtim.Sec, 222, "mtime after fsync")
	f.close(t)
	equal(t, stat(t, dir+"/f").Mtim.Sec, 222, "mtime after close")
}
