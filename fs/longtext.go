package fs

import (
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"shmfs/fs/caller"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// longText is the text of a file of the daemon's own tree that there was no room to keep. When its process has died it is made once
// more. What was read of it is noted before each reply: who reads on gets what is behind it if the text that is made then begins alike, or an
// error; who begins anew gets it whole. Nothing of that is to be done at its open, and little at a time after it.
type longText struct {
	of   *handle                // immutable
	make func() ([]byte, error) // immutable

	mu     sync.Mutex    // not held while the text is made
	making chan struct{} // closed when whoever makes the text has ended; nil: nobody does; guarded by mu
	made   bool          // guarded by mu
	text   []byte        // not changed any more once it is made; guarded by mu
	valid  bool          // it begins with what was read, or who reads has begun with it; guarded by mu
	length int64         // of the text that was read last, bytes; guarded by mu
	read   beginning     // of that; guarded by mu
}

// beginning is what was read of a text, from its start to the last byte that anybody has read. Where that is all of it, its end was read, too.
type beginning struct {
	bytes int64
	sum   uint64 // see sumOf
}

// sumOfNothing is not 0, which stands for a text that is kept. (A longer sum that happens to be 0 does no harm: no such text is found.)
const sumOfNothing = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf continues a checksum with further bytes. Its two halves are what processors are quickest at. It tells texts apart that have changed,
// not those that somebody has made alike on purpose: they would have a reader see two halves of tables, of which they can write the lines anyway.
func sumOf(before uint64, bytes []byte) uint64 {
	high := crc32.Update(uint32(before>>32), crc32.IEEETable, bytes)
	low := crc32.Update(uint32(before), castagnoli, bytes)
	return uint64(high)<<32 | uint64(low)
}

// upTo returns the beginning of a text that this one is, too, when it has been read up to an offset.
func (b beginning) upTo(text []byte, offset int64) beginning {
	if offset <= b.bytes {
		return b
	}
	return beginning{offset, sumOf(b.sum, text[b.bytes:offset])}
}

// newLongText is a text that was just made.
func newLongText(of *handle, text []byte) *longText {
	return &longText{of: of, made: true, text: text, valid: true, length: int64(len(text)), read: beginning{0, sumOfNothing}}
}

// reopenLong opens such a text again that another process has opened. EUCLEAN when the handle's row makes no sense.
func (f *Filesystem) reopenLong(handle *handle, words []uint64, from asker) (*longText, error) {
	length := int64(words[handleText]) - 1
	if words[handleRest] > uint64(length) {
		return nil, fmt.Errorf("%d of %d bytes of the text of handle %d are unread: %w", words[handleRest], length, handle.id, unix.EUCLEAN)
	}
	make := func() ([]byte, error) { return f.infoText(handle.node, from) }
	return &longText{of: handle, make: make, length: length, read: beginning{length - int64(words[handleRest]), words[handleDigest]}}, nil
}

// readLong returns what there is to read. Errors: ESTALE when what was read before has changed, and is read on; EINTR when who reads waits for
// another to make the text, and is about to end; ENOMEM and ENOSPC when that it was read cannot be noted; those of making the text.
func (f *Filesystem) readLong(r *fuse.ReadRequest, t *longText) ([]byte, error) {
	offset := max(r.Offset, 0)
	if t.isOver(offset) {
		return nil, nil
	}
	if err := f.haveMade(&r.Header, t); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	read := t.read
	if !t.valid {
		if offset > 0 {
			return nil, fmt.Errorf("reading on in %s after the worker has died, when its text has changed: %w", infoName, unix.ESTALE)
		}
		read = beginning{0, sumOfNothing}
	}
	begin := min(offset, int64(len(t.text)))
	end := min(begin+int64(r.Size), int64(len(t.text)))
	if err := f.noteRead(t, read.upTo(t.text, end)); err != nil {
		return nil, err
	}
	t.valid = true
	return t.text[begin:end], nil
}

// isOver says whether a text that was made by another process has been read to its end, at an offset behind that.
func (t *longText) isOver(offset int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.valid && t.read.bytes == t.length && offset > 0 && offset >= t.length
}

// noteRead has it outlive the process what was read of the text. The caller holds mu.
func (f *Filesystem) noteRead(t *longText, read beginning) error {
	length := int64(len(t.text))
	if read == t.read && length == t.length {
		return nil
	}
	change := f.state.memory.Change()
	change.Set(t.of.row, handleText, uint64(length)+1)
	change.Set(t.of.row, handleRest, uint64(length-read.bytes))
	change.Set(t.of.row, handleDigest, read.sum)
	if err := change.Commit(); err != nil {
		return err
	}
	t.read, t.length = read, length
	return nil
}

// haveMade has the text made, if it was not yet: by who comes first, while the others wait.
func (f *Filesystem) haveMade(header *fuse.Header, t *longText) error {
	for {
		made, others, own := t.begin()
		if made {
			return nil
		}
		if others == nil {
			return t.makeIt(own)
		}
		if err := f.awaitOthers(header, others); err != nil {
			return err
		}
	}
}

// begin says whether the text is made. If it is not it returns what is closed when others have ended that make it, or when the caller has, who must make it
// then.
func (t *longText) begin() (made bool, others <-chan struct{}, own chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made || t.making != nil {
		return t.made, t.making, nil
	}
	t.making = make(chan struct{})
	return false, nil, t.making
}

// makeIt makes the text. If that fails, or is a panic, the next who reads tries again.
func (t *longText) makeIt(making chan struct{}) error {
	var text []byte
	err := error(unix.EIO) // of a panic
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if err == nil {
			t.made, t.text, t.valid = true, text, t.read.begins(text, t.length)
		}
		t.making = nil
		close(making)
	}()
	text, err = t.make()
	return err
}

// begins says whether a text begins with what was read of one that had so many bytes.
func (b beginning) begins(text []byte, length int64) bool {
	if int64(len(text)) < b.bytes || b.bytes == length && int64(len(text)) != length {
		return false
	}
	return sumOf(sumOfNothing, text[:b.bytes]) == b.sum
}

// dyingLook is how often somebody who was interrupted and waits on is looked at again: the kernel tells of the first signal only.
const dyingLook = 100 * time.Millisecond

// awaitOthers waits until others have made a text. EINTR when whose request it is is about to end; any other signal waits with it, as it does with
// a read(2) of /proc.
func (f *Filesystem) awaitOthers(header *fuse.Header, others <-chan struct{}) error {
	interrupted := f.inflight.interruption(header.ID)
	var look <-chan time.Time
	for {
		select {
		case <-others:
			return nil
		case <-interrupted:
			interrupted, look = nil, time.Tick(dyingLook)
		case <-look:
		}
		if caller.Dying(header.Pid) {
			return fmt.Errorf("waiting for a text that another makes: %w", unix.EINTR)
		}
	}
}
