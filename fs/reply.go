package fs

import (
	"sync"
	"time"

	"shmfs/mmapcore/crashpoint"
	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// send writes one reply: header and body are in message already, but for the header's fields. With an errno there is no body.
func send(device int, unique uint64, message []byte, errno unix.Errno) error {
	le.PutUint32(message[0:], uint32(len(message)))
	le.PutUint32(message[4:], uint32(-int32(errno)))
	le.PutUint64(message[8:], unique)
	for {
		_, err := unix.Write(device, message)
		if err != unix.EINTR {
			return err
		}
	}
}

// answer replies to a request with a message whose first outHeaderSize bytes are left for the header. ENOENT says that the
// caller was interrupted and does not wait any more: then whoever keeps something for it must take it back.
func (f *Filesystem) answer(request fuse.Request, message []byte) error {
	crashpoint.Here("fs: a reply is due")
	err := send(f.descriptor, uint64(request.Hdr().ID), message, 0)
	crashpoint.Here("fs: a reply is sent")
	if err != nil && err != unix.ENOENT && err != unix.ENODEV {
		f.log.Error("the kernel refused a reply", "request", request.String(), "bytes", len(message), "reason", err)
		f.answerError(request, unix.EIO)
		return err
	}
	discard(request)
	return err
}

// answerError replies to a request with an error.
func (f *Filesystem) answerError(request fuse.Request, errno unix.Errno) {
	f.answerErrorTo(request.Hdr(), errno)
	discard(request)
}

// answerErrorTo is answerError by a request's header.
func (f *Filesystem) answerErrorTo(header *fuse.Header, errno unix.Errno) {
	var message [outHeaderSize]byte
	err := send(f.descriptor, uint64(header.ID), message[:], errno)
	if err != nil && err != unix.ENOENT && err != unix.ENODEV {
		f.log.Error("the kernel refused a reply", "request", header.String(), "reason", err)
	}
}

// answerWord replies to a WRITE with how much was written, or to a POLL with what is ready.
func (f *Filesystem) answerWord(request fuse.Request, word uint32) {
	var message [outHeaderSize + 8]byte // struct fuse_write_out, struct fuse_poll_out
	le.PutUint32(message[outHeaderSize:], word)
	_ = f.answer(request, message[:])
}

// answerEmpty replies to a request that has nothing to return.
func (f *Filesystem) answerEmpty(request fuse.Request, err error) {
	if err != nil {
		f.fail(request, err)
		return
	}
	var message [outHeaderSize]byte
	_ = f.answer(request, message[:])
}

// answerNamed replies with what a name, which may be remembered for valid, leads to. The reference goes back if the kernel does not take
// it.
func (f *Filesystem) answerNamed(request fuse.Request, entry objects.Entry, valid time.Duration, err error) {
	if err != nil {
		f.fail(request, err)
		return
	}
	var message [outHeaderSize + entryOutSize]byte
	putEntry(message[outHeaderSize:], &entry, valid)
	if f.answer(request, message[:]) != nil {
		f.forget(entry.ID, 1)
	}
}

func (f *Filesystem) answerAttributes(request fuse.Request, stat unix.Stat_t, err error) {
	if err != nil {
		f.fail(request, err)
		return
	}
	var message [outHeaderSize + attrOutSize]byte
	putAttrOut(message[outHeaderSize:], &stat)
	_ = f.answer(request, message[:])
}

// answerBytes replies with data of any length.
func (f *Filesystem) answerBytes(request fuse.Request, data []byte, err error) {
	if err != nil {
		f.fail(request, err)
		return
	}
	_ = f.answer(request, append(make([]byte, outHeaderSize, outHeaderSize+len(data)), data...))
}

// buffers holds *[]byte for replies that carry file data.
var buffers = sync.Pool{New: func() any {
	buffer := make([]byte, outHeaderSize+maxPages*4096)
	return &buffer
}}
