package mappers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// scan returns the processes that map a file, and their ranges. On a busy machine some process may not answer in time at first.
func scan(t *testing.T, file File) map[int][]Range {
	t.Helper()
	var found []Mapper
	eventually(t, "a scan is complete", func() (complete bool) {
		var err error
		if found, complete, err = Scan(t.Context(), file); err != nil {
			t.Fatalf("Scan: %v", err)
		}
		return complete
	})
	ranges := make(map[int][]Range)
	for _, mapper := range found {
		ranges[mapper.Process] = mapper.Ranges
	}
	return ranges
}

func wantMappers(t *testing.T, file File, processes ...int) {
	t.Helper()
	found := scan(t, file)
	for _, process := range processes {
		if len(found[process]) == 0 {
			t.Errorf("process %d is not among those that map the file: %v", process, found)
		}
	}
	if len(found) != len(processes) {
		t.Errorf("those that map the file are %v, want %v", found, processes)
	}
}

func TestScanFindsMappersUntilTheyEnd(t *testing.T) {
	path := inMemory(t)
	first, second := start(t, path, "map"), start(t, path, "map")
	other := start(t, path+"2", "map")
	wantMappers(t, first.file, first.process, second.process)
	wantMappers(t, other.file, other.process)
	first.end()
	wantMappers(t, first.file, second.process)
	second.end()
	wantMappers(t, first.file)
}

func TestRangesSayHowTheFileIsMapped(t *testing.T) {
	p := start(t, inMemory(t), "map")
	ranges := scan(t, p.file)[p.process]
	if len(ranges) != 2 {
		t.Fatalf("ranges are %v, want two", ranges)
	}
	start := ranges[0].Start
	want := []Range{
		{Start: start, End: start + 4096, Writable: true, Shared: true},
		{Start: start + 4096, End: start + 8192, Offset: 4096, Shared: true},
	}
	if !slices.Equal(ranges, want) {
		t.Errorf("ranges are %+v, want %+v", ranges, want)
	}
}

func TestScanFindsFilesWithoutName(t *testing.T) {
	path := inMemory(t)
	p := start(t, path, "map")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantMappers(t, p.file, p.process)
}

// The file's mount is one that only the other process has.
func TestScanFindsOtherMountNamespaces(t *testing.T) {
	script := fmt.Sprintf(`mount -t tmpfs none %s && exec %s %s/file map`, t.TempDir(), program, "$0")
	directory := strings.Fields(script)[4]
	p := startBy(t, exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", script, directory))
	if _, err := os.Stat(directory + "/file"); !os.IsNotExist(err) {
		t.Fatalf("the file is visible here: %v", err)
	}
	wantMappers(t, p.file, p.process)
}

// A process goes on after its main thread has ended; /proc/PID/maps shows nothing then.
func TestScanFindsProcessesWithoutMainThread(t *testing.T) {
	p := start(t, inMemory(t), "leave")
	eventually(t, "the main thread has ended", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.process))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(stat), ") Z ")
	})
	wantMappers(t, p.file, p.process)
}

func TestScanEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	found, complete, err := Scan(ctx, File{Device: 1, Inode: 1})
	if len(found) > 0 || complete || err != nil {
		t.Errorf("found %v, complete %v, error %v; want nothing, incomplete", found, complete, err)
	}
}

// An ordinary user cannot look at others' processes: the answer says that it is incomplete.
func TestScanByOrdinaryUserIsIncomplete(t *testing.T) {
	p := start(t, inMemory(t), "map")
	outcome := make(chan error, 1)
	go func() { // its thread, which is not unlocked, ends with it
		outcome <- asNobody(func() error {
			_, err := rangesOf(fmt.Sprint(p.process), newPattern(p.file))
			return err
		})
	}()
	err := <-outcome
	if err == nil || isGone(err) || !strings.Contains(err.Error(), unix.EACCES.Error()) {
		t.Errorf("looking at another user's process: %v, want EACCES", err)
	}
}

func TestDevicesOfAllSizes(t *testing.T) {
	for want, device := range map[string]uint64{
		" 00:2c 7 ":     unix.Mkdev(0, 0x2c),
		" 00:12345 7 ":  unix.Mkdev(0, 0x12345),
		" 103:00 7 ":    unix.Mkdev(0x103, 0),
		" fff:fffff 7 ": unix.Mkdev(0xfff, 0xfffff),
	} {
		if got := newPattern(File{Device: device, Inode: 7}); string(got) != want {
			t.Errorf("device %#x is looked for as %q, want %q", device, got, want)
		}
	}
}

// Only the right fields count, whatever files are called.
func TestFindIsNotMisled(t *testing.T) {
	text := `55d0-55d1 r-xp 00000000 fe:00 17                         /bin/a 00:2c 17 b
7f00-7f10 rw-s 00001000 00:2c 17                         /dev/shm/sem.jobs (deleted)
7f20-7f30 r--p 00000000 00:2c 171                        /dev/shm/x
7f30-7f40 r--p 00000000 00:2c 1                          /dev/shm/y 00:2c 17
7f40-7f50 rw-p 00000000 00:00 0
7f50-7f60 r--p 00000000 00:2c 17 `
	got := newPattern(File{Device: unix.Mkdev(0, 0x2c), Inode: 17}).find([]byte(text))
	want := []Range{{Start: 0x7f00, End: 0x7f10, Offset: 0x1000, Writable: true, Shared: true}, {Start: 0x7f50, End: 0x7f60}}
	if !slices.Equal(got, want) {
		t.Errorf("found %+v, want %+v", got, want)
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("7f00-7f10 rw-s 00001000 00:2c 17 /x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, one := range newPattern(File{Device: unix.Mkdev(0, 0x2c), Inode: 17}).find(text) {
			_ = one
		}
	})
}

func BenchmarkScan(b *testing.B) {
	for b.Loop() {
		if _, _, err := Scan(b.Context(), File{Device: 1, Inode: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
