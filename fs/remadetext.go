package fs

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// remadeText is the text of a file of the daemon's own tree that another process has opened, and that was too long to be kept. It is made once more. Who
// reads on gets what is behind it if it is the same as it was, or an error; who begins anew gets it whole.
type remadeText struct {
	of   *handle                // immutable
	make func() ([]byte, error) // immutable

	mu     sync.Mutex // held while the text is made
	made   bool       // guarded by mu
	valid  bool       // it is what was read before, or who reads has begun with it; guarded by mu
	text   []byte     // guarded by mu
	length int64      // of what was read before, bytes; guarded by mu
	digest uint64     // of that; guarded by mu
}

// digestOf tells texts apart. It is never 0.
func digestOf(text []byte) uint64 {
	sum := sha256.Sum256(text)
	return le.Uint64(sum[:]) | 1
}

// remadeFrom returns what there is to read at an offset. Errors: ESTALE when the text has changed and is read on; those of making it.
func (f *Filesystem) remadeFrom(t *remadeText, offset int64) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.valid && offset > 0 && offset >= t.length {
		return nil, nil // it was read to its end
	}
	if err := t.makeOnce(); err != nil {
		return nil, err
	}
	if !t.valid && offset > 0 {
		return nil, fmt.Errorf("reading on in %s after the worker has died, when its text has changed: %w", infoName, unix.ESTALE)
	}
	if !t.valid {
		if err := f.recordText(t.of, t.text); err != nil {
			return nil, err
		}
		t.valid, t.length = true, int64(len(t.text))
	}
	return t.text[min(offset, int64(len(t.text))):], nil
}

// makeOnce makes the text, if it was not yet. The caller holds mu.
func (t *remadeText) makeOnce() (err error) {
	if t.made {
		return nil
	}
	if t.text, err = t.make(); err != nil {
		return err
	}
	t.made = true
	t.valid = int64(len(t.text)) == t.length && digestOf(t.text) == t.digest
	return nil
}

// recordText notes the text that is read through a handle from now on, which is not kept.
func (f *Filesystem) recordText(handle *handle, text []byte) error {
	change := f.state.memory.Change()
	change.Set(handle.row, handleText, uint64(len(text))+1)
	change.Set(handle.row, handleDigest, digestOf(text))
	return change.Commit()
}
