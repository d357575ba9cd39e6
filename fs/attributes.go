package fs

import (
	"errors"
	"time"

	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

func (f *Filesystem) getattr(r *fuse.GetattrRequest) {
	f.openers.asked(openerOf(r), 0)
	stat, err := f.tree.Stat(uint64(r.Node))
	f.answerAttributes(r, stat, err)
}

func (f *Filesystem) setattr(r *fuse.SetattrRequest) {
	change := changeOf(r)
	change.Exempt = exempt(r)
	change.Opening = f.truncatesAtOpen(r)
	if change.Opening && f.isTextSemaphore(uint64(r.Node)) {
		change.Size, change.Opening = nil, false // that is how a shell opens what it writes to
	}
	if _, grown := f.outcome(r); grown { // before it came again
		change.Size = nil
	}
	change.Growing = f.noteGrowth(r, change.Size)
	if change.Size != nil && !f.passthru {
		if err := f.clearTail(uint64(r.Node), *change.Size); err != nil {
			f.fail(r, err)
			return
		}
	}
	if change.Size != nil && r.Valid.Handle() {
		// The handle's right to write was checked at its open, and may be more than the mode allows now.
		if done, err := f.resizeByHandle(r, &change); err != nil {
			f.fail(r, err)
			return
		} else if done {
			change.Size = nil
		}
	}
	stat, err := f.tree.Change(uint64(r.Node), change)
	if r.Valid.Size() {
		f.lookAtSemaphore(uint64(r.Node))
	}
	if err == nil && stat.Size > 0 {
		err = f.publish(r, uint64(r.Node))
	}
	if err == nil {
		f.tellChanged(r, &stat)
	}
	f.answerAttributes(r, stat, err)
}

// clearTail makes a file that is about to grow show zeros where a mapping has stored past its end: in cached mode that is in
// the kernel's page, which no request reaches, and it would be written back as part of the file.
func (f *Filesystem) clearTail(node uint64, size int64) error {
	stat, err := f.tree.Stat(node)
	if err != nil || size <= stat.Size {
		return err
	}
	page := int64(unix.Getpagesize())
	stray := min(size, (stat.Size+page-1)/page*page) - stat.Size
	if stray == 0 {
		return nil
	}
	err = f.conn.NotifyStore(fuse.NodeID(node), uint64(stat.Size), make([]byte, stray))
	if errors.Is(err, fuse.ErrNotCached) {
		return nil
	}
	return err
}

// noteGrowth returns what notes that a request is about to give a file a size that is larger than the one it has. Nobody else can give it another
// before the answer: the kernel has the file locked. So if it has that size when the request comes again, it is not to be given it once more,
// which would free what fallocate(2) has reserved behind the end.
func (f *Filesystem) noteGrowth(r *fuse.SetattrRequest, size *int64) func() error {
	if size == nil {
		return nil
	}
	return func() error {
		return f.attempts.begin(r, &attempt{kind: attemptGrow, node: uint64(r.Node), other: uint64(*size)})
	}
}

func (f *Filesystem) resizeByHandle(r *fuse.SetattrRequest, change *objects.Change) (done bool, err error) {
	handle, err := f.handles.file(uint64(r.Handle))
	if err != nil || !handle.opened.writable() {
		return false, err
	}
	return true, objectFor(r, handle.opened).Growing(change.Growing).Resize(*change.Size)
}

func changeOf(r *fuse.SetattrRequest) objects.Change {
	var change objects.Change
	if r.Valid.Mode() {
		mode := unixMode(r.Mode) & 0o7777
		change.Mode = &mode
	}
	if r.Valid.Uid() {
		change.UID = &r.Uid
	}
	if r.Valid.Gid() {
		change.GID = &r.Gid
	}
	if r.Valid.Size() {
		size := int64(r.Size)
		change.Size = &size
	}
	change.Atime = timeOf(r.Valid.Atime(), r.Valid.AtimeNow(), r.Atime)
	change.Mtime = timeOf(r.Valid.Mtime(), r.Valid.MtimeNow(), r.Mtime)
	if r.Valid&setattrKillPrivileges != 0 {
		change.Writer = writerOf(r)
	}
	if change.Empty() {
		// So the kernel passes on chown(2) to neither owner nor group, and that a write that does not come here clears setuid.
		change.Touch, change.Writer = true, writerOf(r)
	}
	return change
}

func timeOf(set, now bool, at time.Time) *unix.Timespec {
	if now {
		return &unix.Timespec{Nsec: unix.UTIME_NOW}
	}
	if !set {
		return nil
	}
	return &unix.Timespec{Sec: at.Unix(), Nsec: int64(at.Nanosecond())}
}

func (f *Filesystem) statfs(r *fuse.StatfsRequest) {
	figures, err := f.tree.UsageFor(r.Uid)
	if err != nil {
		f.fail(r, err)
		return
	}
	var message [outHeaderSize + statfsOutSize]byte
	putStatfs(message[outHeaderSize:], &figures)
	_ = f.answer(r, message[:])
}
