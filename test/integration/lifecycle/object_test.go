package lifecycle_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// object is an open file of a mount, by its descriptor. No os.File: the Go runtime would poll it, and a daemon that is
// stopped or killed meanwhile does not answer, which would hang every goroutine of the tests.
type object int

// openObject makes a file with two pages in a mount. It is closed at the test's end if the test does not close it.
func openObject(t *testing.T, directory string) *object {
	t.Helper()
	descriptor, err := unix.Open(filepath.Join(directory, "object"), unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	o := object(descriptor)
	t.Cleanup(func() { _ = o.Close() })
	if err := o.Truncate(8192); err != nil {
		t.Fatal(err)
	}
	return &o
}

func (o object) ReadAt(into []byte, offset int64) (int, error) {
	return unix.Pread(int(o), into, offset)
}

func (o object) WriteAt(data []byte, offset int64) (int, error) {
	return unix.Pwrite(int(o), data, offset)
}

func (o object) Truncate(size int64) error { return unix.Ftruncate(int(o), size) }

// Close closes the file; EBADF when it was closed before.
func (o *object) Close() error {
	descriptor := int(*o)
	*o = -1
	return unix.Close(descriptor)
}
