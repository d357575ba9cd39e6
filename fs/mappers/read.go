package mappers

import (
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// buffers are what files of /proc are read into, kept since a scan reads hundreds.
var buffers = sync.Pool{New: func() any {
	buffer := make([]byte, 64<<10)
	return &buffer
}}

// read reads a file of /proc whole. The text lies in the buffer, which grows as need be. It makes the calls itself: such a file is not for
// Go's poller.
func read(path string, buffer *[]byte) ([]byte, error) {
	descriptor, err := retry(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	defer unix.Close(descriptor)
	text := (*buffer)[:0]
	for {
		text = slices.Grow(text, 16<<10)
		n, err := retry(func() (int, error) { return unix.Read(descriptor, text[len(text):cap(text)]) })
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		text = text[:len(text)+n]
		*buffer = text[:cap(text)]
		if n == 0 {
			return text, nil
		}
	}
}

// readString reads a small file of /proc.
func readString(path string) (string, error) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	text, err := read(path, buffer)
	return string(text), err
}

// retry makes a call again that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
