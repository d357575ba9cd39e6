package fs

import (
	"os"
	"testing"
	"unsafe"
)

// TestBuffersAreTouched makes a buffer as bazil does and looks whether all its pages are in memory.
func TestBuffersAreTouched(t *testing.T) {
	if err := prefault(); err != nil {
		t.Fatal(err)
	}
	buffer, err := bufferOf(requestBuffers.New())
	if err != nil {
		t.Fatal(err)
	}
	for page, resident := range residency(t, buffer) {
		if !resident {
			t.Errorf("page %d of a new buffer of %d bytes is not in memory", page, len(buffer))
		}
	}
}

// residency says of each page of a buffer whether it is in memory, as /proc/self/pagemap has it.
func residency(t *testing.T, buffer []byte) []bool {
	t.Helper()
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Fatal(err)
	}
	defer pagemap.Close()
	size := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(buffer)))
	first, last := start/size, (start+uintptr(len(buffer))-1)/size
	var resident []bool
	for page := first; page <= last; page++ {
		var entry [8]byte
		if _, err := pagemap.ReadAt(entry[:], int64(page*8)); err != nil {
			t.Fatal(err)
		}
		resident = append(resident, le.Uint64(entry[:])>>63 == 1)
	}
	return resident
}
