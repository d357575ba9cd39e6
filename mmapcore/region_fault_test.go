package mmapcore

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemCallFault is one system call that fails during one operation.
type systemCallFault struct {
	name  string
	errno unix.Errno
	fail  func(errno unix.Errno) // in kernel
	call  func(region *Region, mapping *Mapping) error
}

// systemCallFaults has each system call at least once. They run on a file of 100 bytes with a mapping of one page.
var systemCallFaults = []systemCallFault{
	{"fstat in Size", unix.EIO, failFstat, func(r *Region, _ *Mapping) error { return second(r.Size()) }},
	{"fstat in Resize", unix.EIO, failFstat, func(r *Region, _ *Mapping) error { return r.Resize(200) }},
	{"fstat in Reserve", unix.EIO, failFstat, func(r *Region, _ *Mapping) error { return r.Reserve(0, 200, false) }},
	{"fstat in WriteAt", unix.EIO, failFstat, func(r *Region, _ *Mapping) error { return second(r.WriteAt([]byte{'x'}, 0)) }},
	{"ftruncate up", unix.EFBIG, failFtruncate, func(r *Region, _ *Mapping) error { return r.Resize(200) }},
	{"ftruncate down", unix.EIO, failFtruncate, func(r *Region, _ *Mapping) error { return r.Resize(50) }},
	{"fallocate in Resize", unix.ENOSPC, failFallocate, func(r *Region, _ *Mapping) error { return r.Resize(200) }},
	{"fallocate in Reserve", unix.ENOSPC, failFallocate, func(r *Region, _ *Mapping) error { return r.Reserve(0, 50, false) }},
	{"fallocate in Reserve and grow", unix.EDQUOT, failFallocate, func(r *Region, _ *Mapping) error {
		return r.Reserve(0, 200, false)
	}},
	{"fallocate in Reserve and keep", unix.EOPNOTSUPP, failFallocate, func(r *Region, _ *Mapping) error {
		return r.Reserve(0, 200, true)
	}},
	{"fallocate in Punch", unix.EOPNOTSUPP, failFallocate, func(r *Region, _ *Mapping) error { return r.Punch(0, 50) }},
	{"fallocate in Zero", unix.EPERM, failFallocate, func(r *Region, _ *Mapping) error { return r.Zero(0, 50) }},
	{"fallocate in WriteAt with a gap", unix.EIO, failFallocate, func(r *Region, _ *Mapping) error {
		return second(r.WriteAt([]byte{1}, 200))
	}},
	{"cachestat in Resize", unix.EIO, failCachestat, func(r *Region, _ *Mapping) error { return r.Resize(200) }},
	{"cachestat in Residency", unix.EIO, failCachestat, func(r *Region, _ *Mapping) error { return second(r.Residency(0, 1)) }},
	{"lseek in Residency", unix.EIO, failLseek, askMincore},
	{"fstat in Residency", unix.EIO, failFstat, askMincore},
	{"mmap in Residency", unix.ENOMEM, failMmap, askMincore},
	{"mincore in Residency", unix.EAGAIN, failMincore, askMincore},
	{"munmap in Residency", unix.ENOMEM, failMunmapOnce, askMincore},
	{"mmap in Resize", unix.ENOMEM, failMmap, growByMincore},
	{"mincore in Resize", unix.EAGAIN, failMincore, growByMincore},
	{"pread", unix.EIO, failPread, func(r *Region, _ *Mapping) error { return second(r.ReadAt(make([]byte, 1), 0)) }},
	{"pwrite inside", unix.ENOSPC, failPwrite, func(r *Region, _ *Mapping) error { return second(r.WriteAt([]byte{'x'}, 0)) }},
	{"pwrite at the end", unix.ENOSPC, failPwrite, func(r *Region, _ *Mapping) error { return second(r.WriteAt([]byte{1}, 100)) }},
	{"pwrite past the end", unix.EDQUOT, failPwrite, func(r *Region, _ *Mapping) error { return second(r.WriteAt([]byte{1}, 300)) }},
	{"pwrite instead of a punch", unix.EIO, failPunchAndPwrite, func(r *Region, _ *Mapping) error { return r.Resize(200) }},
	{"fsync", unix.EIO, failFsync, func(r *Region, _ *Mapping) error { return r.Sync(false) }},
	{"fdatasync", unix.ENOSPC, failFdatasync, func(r *Region, _ *Mapping) error { return r.Sync(true) }},
	{"lseek to data", unix.EIO, failLseek, func(r *Region, _ *Mapping) error { return second(r.NextData(0)) }},
	{"lseek to a hole", unix.EIO, failLseek, func(r *Region, _ *Mapping) error { return second(r.NextHole(0)) }},
	{"mmap", unix.ENOMEM, failMmap, mapAndUnmap},
	{"msync", unix.EIO, failMsync, func(_ *Region, m *Mapping) error { return m.Sync(unix.MS_SYNC) }},
	{"madvise", unix.ENOMEM, failMadvise, func(_ *Region, m *Mapping) error { return m.Advise(0, m.Len(), unix.MADV_NORMAL) }},
	{"futex_waitv", unix.ENOMEM, failFutexWaitAny, func(_ *Region, m *Mapping) error { return m.FutexWait(0, 0, 0) }},
	{"futex_waitv on no memory", unix.EFAULT, failFutexWaitAny, func(_ *Region, m *Mapping) error { return m.FutexWait(0, 0, 0) }},
	{"futex wait", unix.ENOMEM, failFutexWait, func(_ *Region, m *Mapping) error { return m.FutexWait(0, 0, 0) }},
	{"futex wake", unix.ENOSYS, failFutexWake, func(_ *Region, m *Mapping) error { return second(m.FutexWake(0, 1)) }},
}

func failFstat(errno unix.Errno) {
	kernel.fstat = func(int, *unix.Stat_t) error { return errno }
}
func failFtruncate(errno unix.Errno) {
	kernel.ftruncate = func(int, int64) error { return errno }
}
func failFallocate(errno unix.Errno) {
	kernel.fallocate = func(int, uint32, int64, int64) error { return errno }
}
func failCachestat(errno unix.Errno) {
	kernel.cachestat = func(uint, *unix.CachestatRange, *unix.Cachestat_t, uint) error { return errno }
}
func failLseek(errno unix.Errno) {
	kernel.lseek = func(int, int64, int) (int64, error) { return -1, errno }
}
func failMmap(errno unix.Errno) {
	kernel.mmap = func(int, int64, int, int, int) ([]byte, error) { return nil, errno }
}
func failMincore(errno unix.Errno) {
	kernel.mincore = func([]byte, []byte) error { return errno }
}

// failMunmapOnce unmaps what it says it does not: nobody is left to try again.
func failMunmapOnce(errno unix.Errno) {
	kernel.munmap = func(memory []byte) error { _ = munmap(memory); return errno }
}
func failPread(errno unix.Errno) {
	kernel.pread = func(int, []byte, int64) (int, error) { return -1, errno }
}
func failPwrite(errno unix.Errno) {
	kernel.pwrite = func(int, []byte, int64) (int, error) { return -1, errno }
}
func failPunchAndPwrite(errno unix.Errno) {
	failFallocate(unix.EOPNOTSUPP)
	failPwrite(errno)
}
func failFsync(errno unix.Errno) {
	kernel.fsync = func(int) error { return errno }
}
func failFdatasync(errno unix.Errno) {
	kernel.fdatasync = func(int) error { return errno }
}
func failMsync(errno unix.Errno) {
	kernel.msync = func([]byte, int) error { return errno }
}
func failMadvise(errno unix.Errno) {
	kernel.madvise = func([]byte, int) error { return errno }
}
func failFutexWaitAny(errno unix.Errno) {
	kernel.futexWaitAny = func([]futexWaiter, *unix.Timespec) (int, error) { return -1, errno }
}
func failFutexWait(errno unix.Errno) {
	failFutexWaitAny(unix.ENOSYS)
	kernel.futexWait = func(unsafe.Pointer, uint32, *unix.Timespec) error { return errno }
}
func failFutexWake(errno unix.Errno) {
	kernel.futexWake = func(unsafe.Pointer, int, bool) (int, error) { return -1, errno }
}

func mapAndUnmap(region *Region, _ *Mapping) error {
	mapping, err := region.Map(0, 1, ReadOnly)
	if err != nil {
		return err
	}
	return mapping.Unmap()
}

// askMincore asks for residency on a kernel without cachestat(2).
func askMincore(region *Region, _ *Mapping) error {
	failCachestat(unix.ENOSYS)
	return second(region.Residency(0, math.MaxInt64))
}

// growByMincore grows on a kernel without cachestat(2).
func growByMincore(region *Region, _ *Mapping) error {
	failCachestat(unix.ENOSYS)
	return region.Resize(hugeSize)
}

// Each failure comes out with its errno, changes nothing, leaves nothing behind, and is over when the kernel does its work.
func TestSystemCallFaults(t *testing.T) {
	for _, fault := range systemCallFaults {
		t.Run(fault.name, func(t *testing.T) {
			onEachBacking(t, func(t *testing.T, region *Region) {
				content := fill(t, region, 100)
				mapping := mapRegion(t, region, int(pageSize), ReadWrite)
				wantNoError(t, "Store32", mapping.Store32(0, 0))
				clear(content[:4])
				before := held(t)
				restore := replace(t, &kernel, kernel)
				fault.fail(fault.errno)
				err := fault.call(region, mapping)
				restore()
				wantError(t, fault.name, err, fault.errno)
				if fault.errno == unix.EFAULT {
					wantError(t, fault.name, err, ErrFault)
				}
				if after := held(t); len(after) != len(before) {
					t.Errorf("held %v, and holds %v", before, after)
				}
				wantSize(t, region, 100)
				wantContent(t, region, content)
				restore = replace(t, &kernel, kernel) // askMincore and growByMincore deny cachestat
				err = fault.call(region, mapping)
				restore()
				if want := wantInRecovery(t, fault, region); !errors.Is(err, want) {
					t.Errorf("%s, once the call works: %v, want %v", fault.name, err, want)
				}
			})
		})
	}
}

// wantInRecovery knows the operations that do not succeed in the best of worlds.
func wantInRecovery(t *testing.T, fault systemCallFault, region *Region) error {
	switch {
	case fault.name == "fallocate in Zero" && onTmpfs(t, region):
		return unix.EOPNOTSUPP
	case strings.HasPrefix(fault.name, "futex_waitv"), fault.name == "futex wait":
		return unix.ETIMEDOUT
	}
	return nil
}

// A mapping that munmap(2) would not remove can be unmapped later, and is closed meanwhile.
func TestUnmapCanBeTriedAgain(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping := mapRegion(t, region, int(pageSize), ReadWrite)
		restore := replace(t, &kernel.munmap, func([]byte) error { return unix.ENOMEM })
		wantError(t, "Unmap", mapping.Unmap(), unix.ENOMEM)
		restore()
		wantError(t, "Load32", second(mapping.Load32(0)), ErrClosed)
		if mappings := heldMappings(t); len(mappings) != 1 {
			t.Errorf("mappings are %v", mappings)
		}
		wantNoError(t, "Unmap again", mapping.Unmap())
		if mappings := heldMappings(t); len(mappings) != 0 {
			t.Errorf("mappings are %v", mappings)
		}
	})
}

// What close(2) reports comes out once; the descriptor is gone whatever it says.
func TestCloseReportsItsErrorOnce(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		restore := replace(t, &kernel.close, func(descriptor int) error { _ = unix.Close(descriptor); return unix.EIO })
		wantError(t, "Close", region.Close(), unix.EIO)
		restore()
		wantNoError(t, "Close again", region.Close())
	})
}

// pread and pwrite may do less than they were asked to.
func TestShortReadsAndWritesGoOn(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		first := kernel
		restore := replace(t, &kernel, kernel)
		kernel.pread = func(descriptor int, into []byte, offset int64) (int, error) {
			return first.pread(descriptor, into[:min(3, len(into))], offset)
		}
		kernel.pwrite = func(descriptor int, from []byte, offset int64) (int, error) {
			return first.pwrite(descriptor, from[:min(3, len(from))], offset)
		}
		content := fill(t, region, 100)
		wantContent(t, region, content)
		// An error in the middle says how far it came, and the end is there.
		kernel.pwrite = func(descriptor int, from []byte, offset int64) (int, error) {
			if offset >= 206 {
				return -1, unix.ENOSPC
			}
			return first.pwrite(descriptor, from[:min(3, len(from))], offset)
		}
		n, err := region.WriteAt(content, 200)
		wantError(t, "WriteAt", err, unix.ENOSPC)
		if n != 6 {
			t.Errorf("wrote %d bytes, want 6", n)
		}
		wantSize(t, region, 206)
		wantZeros(t, region, 100, 200)
		kernel.pwrite = func(int, []byte, int64) (int, error) { return 0, nil }
		wantError(t, "WriteAt that does nothing", second(region.WriteAt(content, 0)), io.ErrShortWrite)
		restore()
		if n, err := region.WriteAt(content, 200); n != 100 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	})
}

// Reserving again what was cleared past the end can fail: then the file has not grown.
func TestFailedReservationPastTheEnd(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openHuge(t))
	content := fill(t, region, 100)
	mapping := mapRegion(t, region, int(hugeSize), ReadWrite)
	scribble(t, mapping, 100)
	real := kernel.fallocate
	restore := replace(t, &kernel.fallocate, func(descriptor int, mode uint32, offset, length int64) error {
		if mode == unix.FALLOC_FL_KEEP_SIZE {
			return unix.ENOSPC
		}
		return real(descriptor, mode, offset, length)
	})
	wantError(t, "Resize", region.Resize(hugeSize), unix.ENOSPC)
	restore()
	wantSize(t, region, 100)
	wantNoError(t, "Resize", region.Resize(hugeSize))
	wantContent(t, region, content)
	wantZeros(t, region, 100, hugeSize)
}
