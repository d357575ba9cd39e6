package fs

import (
	"time"

	"shmfs/semfs"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// readSemaphore answers read(2) with a part of the semaphore's text.
func (f *Filesystem) readSemaphore(r *fuse.ReadRequest, handle *handle) {
	text, err := f.textFrom(handle, r.Offset)
	if err != nil {
		f.fail(r, err)
		return
	}
	f.answerBytes(r, text[:min(len(text), r.Size)], nil)
}

// restart has the text begin where a write ended: whoever reads on through the same open file reads there.
func (s *openSemaphore) restart(offset int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.start = nil, offset
}

// textFrom returns what there is to read at an offset. Reading at the beginning makes the text anew.
func (f *Filesystem) textFrom(handle *handle, offset int64) ([]byte, error) {
	s := handle.semaphore
	s.mu.Lock()
	defer s.mu.Unlock()
	if offset == 0 || offset < s.start {
		s.text, s.start = nil, 0
	}
	if s.text == nil || offset == s.start {
		text, err := f.semaphoreText(handle)
		if err != nil {
			return nil, err
		}
		s.text = text
	}
	return s.text[min(offset-s.start, int64(len(s.text))):], nil
}

func (f *Filesystem) semaphoreText(handle *handle) ([]byte, error) {
	operator, err := f.operatorOf(handle.opened)
	if err != nil {
		return nil, err
	}
	report, err := operator.Report()
	if err != nil {
		return nil, err
	}
	stat, err := f.tree.Statx(handle.node, unix.STATX_BTIME)
	if err != nil {
		return nil, err
	}
	return []byte(report.Text(semfs.Surroundings{
		Created: time.Unix(stat.Btime.Sec, int64(stat.Btime.Nsec)),
		Stuck:   f.stuck(handle.node, report),
	})), nil
}
