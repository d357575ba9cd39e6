package inspection

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// truth is what a walk with stat(2), and /proc, say of a mount.
type truth struct {
	mount  string
	strict bool
	cached bool
	device uint64
	named  map[string]unix.Stat_t // by path
	used   []used                 // by processes
	mapped []mapping
}

// used is an open file description of a process.
type used struct {
	inode uint64
	pid   int
	flags int64 // open(2)'s
	stat  unix.Stat_t
}

// mapping is a line of a process's maps.
type mapping struct {
	inode                          uint64
	pid                            int
	addresses, protection, sharing string
	offset, resident               uint64
	links, blocks, size            int64
}

// TestTruth compares the tree with what stat(2) and /proc say, after random calls of three users, who then hold files open and mapped.
func TestTruth(t *testing.T) {
	inEach(t, places, func(t *testing.T, mount string) {
		seed := uint64(time.Now().UnixNano()) % 1e9
		t.Logf("seed %d", seed)
		t.Cleanup(func() { released(t, mount) })
		var workers []int
		for i, user := range []uint32{ann, ben, cai} {
			command := as(user, exec.Command("/proc/self/exe", mount))
			command.Env = append(os.Environ(), fmt.Sprintf("%s=%d", workerVariable, seed+uint64(i)))
			workers = append(workers, start(t, mount, command))
		}
		must(t, unix.Mknod(filepath.Join(mount, "character"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
		real := look(t, mount, workers)
		real.settle(t)
		real = look(t, mount, workers) // what was written back at a close has moved times
		real.compareHandles(t)
		real.compareStats(t)
		real.compareUsers(t)
		real.compareQuota(t)
		real.compareObjects(t)
		real.compareMaps(t)
		real.compareSemaphores(t)
		real.settle(t) // to read them was to open them
		for path := range real.named {
			if real.named[path].Ino%4 == 0 { // to look for the mappers of all takes too long
				real.compareObject(t, path)
			}
		}
	})
}

// released waits until the daemon was told that nobody has anything open any more: so long the mount is in use.
func released(t *testing.T, mount string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; _, _ = unix.Poll(nil, 5) {
		left := rig.Rows(t, text(t, mount, "handles"))
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("left open: %q", left)
			return
		}
	}
}

// settle waits until the daemon was told of everything that was closed, which the kernel tells it of later.
func (r *truth) settle(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; _, _ = unix.Poll(nil, 5) {
		extra := r.unexplained(rig.Rows(t, text(t, r.mount, "handles")))
		if len(extra) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("handles has what nobody has open: %q", extra)
		}
	}
}

// cached says whether the kernel goes through its page cache. Then a file counts as open as long as it is mapped, though it was closed.
func cached(t *testing.T) bool { return strings.Contains(t.Name(), "cached") }

// unexplained returns the rows of handles that are no open file of a process, nor a file that one has closed and still maps.
func (r *truth) unexplained(handles []row) []row {
	left := map[string]int{}
	for _, one := range r.used {
		left[fmt.Sprint(one.inode, " ", one.pid, " ", words(one.flags, one.stat.Mode&unix.S_IFMT == unix.S_IFDIR))]++
	}
	mapped := map[string]bool{}
	for _, one := range r.mapped {
		mapped[fmt.Sprint(one.inode, " ", one.pid)] = r.cached
	}
	var extra []row
	for _, one := range handles {
		who := fmt.Sprint(r.inodeOf(one["OBJECT"]), " ", one["PID"])
		key := who + " " + one["FLAGS"]
		if left[key]--; left[key] < 0 && !mapped[who] {
			extra = append(extra, one)
		}
	}
	return extra
}

// look walks and reads /proc.
func look(t *testing.T, mount string, workers []int) *truth {
	t.Helper()
	var root unix.Stat_t
	must(t, unix.Lstat(mount, &root))
	real := &truth{mount: mount, strict: !strings.Contains(t.Name(), "lazy"), cached: cached(t), device: root.Dev, named: map[string]unix.Stat_t{}}
	must(t, filepath.WalkDir(mount, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == mount {
			return err
		}
		var stat unix.Stat_t
		err = unix.Lstat(path, &stat)
		real.named[strings.TrimPrefix(path, mount+"/")] = stat
		return err
	}))
	for _, worker := range workers {
		real.lookAtFiles(t, worker)
		real.lookAtMaps(t, worker)
	}
	return real
}

func (r *truth) lookAtFiles(t *testing.T, pid int) {
	t.Helper()
	directory := fmt.Sprintf("/proc/%d/fd", pid)
	for _, descriptor := range list(t, directory) {
		var stat unix.Stat_t
		if err := unix.Stat(filepath.Join(directory, descriptor), &stat); err != nil || stat.Dev != r.device {
			continue
		}
		about, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, descriptor))
		must(t, err)
		var position, flags int64
		_, err = fmt.Sscanf(string(about), "pos: %d\nflags: %o\n", &position, &flags)
		must(t, err)
		r.used = append(r.used, used{stat.Ino, pid, flags, stat})
	}
}

func (r *truth) lookAtMaps(t *testing.T, pid int) {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	must(t, err)
	wanted := fmt.Sprintf("%02x:%02x", unix.Major(r.device), unix.Minor(r.device))
	var current *mapping
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-"):
			current = nil
			if fields[3] != wanted {
				continue
			}
			one := mapping{pid: pid, addresses: fields[0], protection: fields[1][:3], sharing: "private"}
			if fields[1][3] == 's' {
				one.sharing = "shared"
			}
			one.offset, _ = strconv.ParseUint(fields[2], 16, 64)
			one.inode, _ = strconv.ParseUint(fields[4], 10, 64)
			var stat unix.Stat_t
			must(t, unix.Stat(fmt.Sprintf("/proc/%d/map_files/%s", pid, fields[0]), &stat))
			one.links, one.blocks, one.size = int64(stat.Nlink), stat.Blocks, stat.Size
			r.mapped = append(r.mapped, one)
			current = &r.mapped[len(r.mapped)-1]
		case fields[0] == "Rss:" && current != nil:
			kilobytes, _ := strconv.ParseUint(fields[1], 10, 64)
			current.resident = kilobytes << 10
		}
	}
}

// charge is what a file counts against the limit, in bytes.
func (r *truth) charge(stat *unix.Stat_t) int64 {
	switch {
	case !r.strict:
		return 0
	case stat.Mode&unix.S_IFMT == unix.S_IFREG:
		return (stat.Size + 4095) &^ 4095
	case stat.Mode&unix.S_IFMT == unix.S_IFLNK:
		return (stat.Blocks*512 + 4095) &^ 4095
	}
	return 0
}

// stored says whether the objects are in a directory, where blocks do not say what is in memory.
func (r *truth) stored(t *testing.T) bool { return strings.HasSuffix(t.Name(), "directory") }

func kindOf(path string, stat *unix.Stat_t) string {
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFCHR:
		return "character"
	case unix.S_IFREG:
		if strings.HasPrefix(path, "sem.") {
			return "semaphore"
		}
		return "file"
	}
	return "?"
}

func itoa[N int | int64 | uint32 | uint64](number N) string { return fmt.Sprint(number) }

func stamp(at unix.Timespec) string {
	return time.Unix(at.Unix()).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// opens counts the open descriptions of a regular file.
func (r *truth) opens(inode uint64) int {
	count := 0
	for _, one := range r.used {
		if one.inode == inode && one.stat.Mode&unix.S_IFMT == unix.S_IFREG {
			count++
		}
	}
	return count
}
