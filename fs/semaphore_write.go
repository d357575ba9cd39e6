package fs

import (
	"bytes"
	"fmt"

	"shmfs/semfs"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// errLookAgain makes the kernel look a name up once more. It is part of daily use.
var errLookAgain = fmt.Errorf("look again: %w", unix.ESTALE)

// mostText is how many bytes of commands are taken of a write: they are kept while it waits. Who writes more is told how many were, and writes
// the rest again.
const mostText = 4096

// firstLines returns as many whole lines of a text as are taken at once. EINVAL when the first is longer.
func firstLines(text []byte) ([]byte, error) {
	if len(text) <= mostText {
		return text, nil
	}
	end := bytes.LastIndexByte(text[:mostText], '\n')
	if end < 0 {
		return text[:mostText], fmt.Errorf("a line of more than %d bytes is no command: %w", mostText, unix.EINVAL)
	}
	return text[:end+1], nil
}

// writeSemaphore does the commands in a write.
func (f *Filesystem) writeSemaphore(r *fuse.WriteRequest, handle *handle) {
	f.awaitSettled()
	lines, err := firstLines(r.Data)
	if err != nil {
		f.refuse(handle, lines, err)
		f.fail(r, err)
		return
	}
	header := r.Header
	waits := false
	text := bytes.Clone(lines) // which may have to wait longer than the request's buffer can be spared
	answer := &writeAnswer{filesystem: f, request: r, header: header}
	end := r.Offset
	conditions := semfs.Conditions{
		Interrupted: f.inflight.interruption(r.ID),
		NonBlocking: r.FileFlags&unix.O_NONBLOCK != 0,
		Request:     numberOf(r),
		Process:     int(r.Pid),
		User:        r.Uid,
		Describe:    describeHolder,
		BeforeWait: func() error {
			if err := f.beginWait(&header); err != nil {
				return err
			}
			waits = true
			answer.letGo()
			return nil
		},
		Did: f.tellerOf(r.Header, handle),
	}
	done, err := f.operate(r, handle, text, r.Offset, conditions)
	if waits { // no more, by the time that anybody hears of it
		f.endWait(&header)
	}
	if err != nil {
		f.refuse(handle, text, err)
		answer.fail(err)
		return
	}
	handle.semaphore.restart(end + int64(done))
	answer.written(done)
}

// operate initialises a semaphore or does commands, and returns how many bytes of the text are done with.
func (f *Filesystem) operate(r fuse.Request, handle *handle, text []byte, offset int64, conditions semfs.Conditions) (int, error) {
	used, err := f.initialise(r, handle, text, offset)
	if err == nil {
		used, err = f.beginCommands(r, used)
	}
	if err != nil || used >= len(text) && !isResent(r.Hdr()) {
		return used, err
	}
	client, err := f.clientOf(handle)
	if err != nil && used >= len(text) {
		return used, nil // all was done before it came again
	}
	if err != nil {
		return used, err
	}
	f.tellLast(r, client, text[:used], conditions.Did)
	conditions.Progress = used
	done, err := client.Do(text[used:], conditions)
	if used > 0 {
		err = nil // the rest is written again, and told of then
	}
	return used + done, err
}

// tellLast tells of the last command that was done before a request came again, if the process died before it did. begin is as much of the
// request's text as is done with.
func (f *Filesystem) tellLast(r fuse.Request, client *semfs.Client, begin []byte, did func(semfs.Moved)) {
	if _, done := f.attempts.outcome(r); !done || f.attempts.load(r, attemptTold) == uint64(len(begin)) {
		return
	}
	first := 0
	if f.attempts.is(r, attemptInitialise) { // its first line is no command
		_, first, _ = semfs.ParseInitial(begin)
	}
	if last, found := client.Last(begin[first:], first); found {
		did(last)
	}
}

// beginCommands notes that a request's commands are about to be done, and returns how many bytes of its text are done with: of those that were
// done before it came again, too.
func (f *Filesystem) beginCommands(r fuse.Request, used int) (int, error) {
	if before, done := f.attempts.outcome(r); done {
		return max(used, int(before)), nil
	}
	if used > 0 { // to make a semaphore, which is noted already
		return used, nil
	}
	return 0, f.attempts.begin(r, &attempt{kind: attemptCommand})
}

// writeAnswer is the reply to a write that may take its time.
type writeAnswer struct {
	filesystem *Filesystem
	request    *fuse.WriteRequest // nil when its buffer was given back
	header     fuse.Header
}

// letGo gives the request's buffer back: ten thousand who wait would take a gigabyte.
func (w *writeAnswer) letGo() {
	if w.request != nil {
		discard(w.request)
		w.request = nil
	}
}

func (w *writeAnswer) written(count int) {
	var message [outHeaderSize + 8]byte // struct fuse_write_out
	le.PutUint32(message[outHeaderSize:], uint32(count))
	w.send(message[:], 0)
}

func (w *writeAnswer) fail(err error) {
	var message [outHeaderSize]byte
	errno := errnoOf(err)
	w.filesystem.inflight.failed(w.header.ID, errno)
	w.send(message[:], errno)
}

func (w *writeAnswer) send(message []byte, errno unix.Errno) {
	err := send(w.filesystem.descriptor, uint64(w.header.ID), message, errno)
	if err != nil && err != unix.ENOENT && err != unix.ENODEV {
		w.filesystem.log.Error("the kernel refused a reply", "request", w.header.String(), "reason", err)
	}
	w.letGo()
}

// writeBackSemaphore keeps what was stored through mappings of the mount's page cache. Text that is written behind the end makes the
// kernel take the file to reach so far, until it asks, and it may send as much: the file stays as long as it is.
func (f *Filesystem) writeBackSemaphore(r *fuse.WriteRequest, handle *handle) {
	size, err := handle.opened.object.Region().Size()
	if err == nil {
		inside := min(max(size-r.Offset, 0), int64(len(r.Data)))
		_, err = handle.opened.object.WriteAt(r.Data[:inside], r.Offset)
	}
	if err != nil {
		f.fail(r, err)
		return
	}
	f.answerWord(r, uint32(len(r.Data)))
}
