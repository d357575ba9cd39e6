package fs

import (
	"fmt"
	"os"
	"reflect"
	"sync"
	_ "unsafe" // for linkname
)

// A request is copied to a buffer of the process that reads it. Should the process be killed meanwhile, and the buffer's page not be in memory,
// the kernel does not fetch it for a process that is ending: it takes the request as read, and answers it with EIO. So every buffer's
// pages are in memory before it is read to. There is no swap for them where shared memory is of use; what is swapped out meets
// this again.

// requestBuffers is where bazil takes its buffers from.
//
//go:linkname requestBuffers bazil.org/fuse.reqPool
var requestBuffers sync.Pool

// prefault has every buffer that is made from now on touched. It returns an error when bazil's buffers are not what they were. It must be
// called before a request is read.
var prefault = sync.OnceValue(func() error {
	made := requestBuffers.New
	if made == nil {
		return fmt.Errorf("bazil.org/fuse: reqPool makes nothing")
	}
	if _, err := bufferOf(made()); err != nil {
		return err
	}
	requestBuffers.New = func() any {
		message := made()
		if buffer, err := bufferOf(message); err == nil {
			touch(buffer)
		}
		return message
	}
	return nil
})

// bufferOf returns the buffer of a message of bazil's.
func bufferOf(message any) ([]byte, error) {
	value := reflect.ValueOf(message)
	if value.Kind() != reflect.Pointer || value.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("bazil.org/fuse: reqPool has %T", message)
	}
	buffer := value.Elem().FieldByName("buf")
	if !buffer.IsValid() || buffer.Type() != reflect.TypeFor[[]byte]() {
		return nil, fmt.Errorf("bazil.org/fuse: message.buf is not what it was")
	}
	return buffer.Bytes(), nil
}

// touch brings all pages of a buffer that holds nothing yet into memory.
func touch(buffer []byte) {
	for at := 0; at < len(buffer); at += os.Getpagesize() {
		buffer[at] = 0
	}
	buffer[len(buffer)-1] = 0
}
