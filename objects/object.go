package objects

import (
	"errors"
	"fmt"

	"shmfs/mmapcore"
	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// Object is the open region of a regular file's node. One Object may serve any number of handles; its methods may be called
// concurrently, except Close.
type Object struct {
	tree   *Tree
	node   *Node
	region *mmapcore.Region
	exempt bool // from the owner's quota; immutable once shared

	growing func() error // see Growing; nil: nobody wants to know; immutable once shared
}

// Exempt returns the object for somebody, root, who is not held to its owner's quota. It is open as long as the object itself, which
// alone is to be closed.
func (o *Object) Exempt() *Object {
	exempt := *o
	exempt.exempt = true
	return &exempt
}

// Growing returns the object for somebody whose Resize calls note right before it makes the file longer, and does not if that fails. It is
// open as long as the object itself, which alone is to be closed.
func (o *Object) Growing(note func() error) *Object {
	growing := *o
	growing.growing = note
	return &growing
}

// Open opens a regular file's region. access is O_RDONLY, O_WRONLY or O_RDWR, with O_NOATIME if reading shall leave the
// access time alone; EACCES and EROFS where the store refuses it; EISDIR, ELOOP or EINVAL for any other node.
func (t *Tree) Open(id uint64, access int) (*Object, error) {
	node := t.node(id)
	if node == nil {
		return nil, fmt.Errorf("node %d: %w", id, unix.ESTALE)
	}
	if err := t.requireRegular(node); err != nil {
		return nil, err
	}
	descriptor, err := t.reach(id, access|unix.O_NONBLOCK)
	if errors.Is(err, unix.EAGAIN) { // somebody is finding out whether it is in use (Alone), which takes microseconds
		descriptor, err = t.reach(id, access)
	}
	if err != nil {
		return nil, err
	}
	return &Object{tree: t, node: node, region: mmapcore.NewRegion(descriptor)}, nil
}

// Region is the open backing file. It belongs to the object.
func (o *Object) Region() *mmapcore.Region { return o.region }

// Close gives the region back.
func (o *Object) Close() error { return o.region.Close() }

// ReadAt reads len(into) bytes at offset, fewer at the end of the file.
func (o *Object) ReadAt(into []byte, offset int64) (int, error) {
	return o.region.ReadAt(into, offset)
}

// WriteAt writes data at offset and returns how much of it was written. Under commit=strict growth is charged first: what
// fits is written as tmpfs does, and ENOSPC or EDQUOT comes when nothing does.
func (o *Object) WriteAt(data []byte, offset int64) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	if offset < 0 {
		return 0, fmt.Errorf("writing at %d: %w", offset, unix.EINVAL)
	}
	o.node.growth.Lock()
	defer o.node.growth.Unlock()
	if o.tree.ledger == nil {
		return o.region.WriteAt(data, offset)
	}
	size, err := o.region.Size()
	if err != nil {
		return 0, err
	}
	if end := offset + int64(len(data)); end > size {
		fits, err := o.chargeWrite(size, offset, end)
		if err != nil {
			return 0, err
		}
		data = data[:fits]
	}
	crashpoint.Here("objects: what a write needs is charged")
	n, err := o.region.WriteAt(data, offset)
	crashpoint.Here("objects: what was charged for is written")
	return n, errors.Join(err, o.recharge())
}

// chargeWrite charges a write that ends at end, beyond size, and returns how many bytes of it may be written.
func (o *Object) chargeWrite(size, offset, end int64) (int64, error) {
	short := pages(end) - o.node.charged
	if err := o.charge(short); err != nil {
		granted := o.tree.account.chargeUpTo(o.claim(short))
		o.node.setCharged(o.node.charged+granted, false)
		if o.node.charged <= offset {
			return 0, errors.Join(err, o.recharge())
		}
		end = min(end, o.node.charged) // memory may have come free meanwhile
	}
	if err := o.reserve(size, end); err != nil {
		return 0, errors.Join(err, o.recharge())
	}
	return end - offset, nil
}

// claim is what so many bytes more are to be charged as. The caller holds growth.
func (o *Object) claim(bytes int64) claim {
	return claim{uid: o.node.owner, Holding: Holding{Bytes: bytes}, exempt: o.exempt}
}

// charge charges bytes for this node: ENOSPC, EDQUOT. The caller holds growth.
func (o *Object) charge(bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	if err := o.tree.account.charge(o.claim(bytes), o.tree.patience()); err != nil {
		return err
	}
	o.node.setCharged(o.node.charged+bytes, false)
	crashpoint.Here("objects: growth is charged")
	return nil
}

// reserve makes sure that a directory store's disk has room for the bytes between two sizes; a tmpfs's memory is promised by
// the ledger alone.
func (o *Object) reserve(size, end int64) error {
	if !o.tree.store.Persistent() || end <= size {
		return nil
	}
	return o.region.Reserve(size, end-size, true)
}

// recharge gives back what neither the file's size nor what fallocate reserved behind its end asks for, after a change that
// may have failed half-way. The caller holds growth.
func (o *Object) recharge() error {
	size, err := o.region.Size()
	if err != nil {
		return err
	}
	due := o.node.charged
	if excess := due - max(pages(size), o.node.reservedEnd); excess > 0 {
		o.tree.account.refund(o.node.owner, Holding{Bytes: excess})
		due -= excess
	}
	o.node.setCharged(due, true)
	crashpoint.Here("objects: a charge is settled")
	return nil
}

// Resize sets the size in bytes (not negative). Growing shows zeros. Under commit=strict ENOSPC or EDQUOT when it does not fit.
func (o *Object) Resize(size int64) error {
	o.node.growth.Lock()
	defer o.node.growth.Unlock()
	return o.resize(size)
}

// resize is Resize for who holds growth.
func (o *Object) resize(size int64) error {
	if o.tree.ledger == nil && o.growing == nil {
		return o.region.Resize(size)
	}
	before, err := o.region.Size()
	if err != nil {
		return err
	}
	if o.tree.ledger == nil {
		return o.setSize(before, size)
	}
	o.node.setCharged(o.node.charged, false)
	crashpoint.Here("objects: a size is about to change")
	if err := o.charge(pages(size) - o.node.charged); err != nil {
		return err
	}
	if err := o.reserve(before, size); err != nil {
		return errors.Join(err, o.recharge())
	}
	err = o.setSize(before, size)
	if err == nil && size <= before {
		o.node.setReserved(0) // shrinking, even to the same size, frees what was allocated behind the end
	}
	return errors.Join(err, o.recharge())
}

// setSize sets the size of a file that has another, or the same.
func (o *Object) setSize(before, size int64) error {
	if size > before && o.growing != nil {
		if err := o.growing(); err != nil {
			return err
		}
	}
	err := o.region.Resize(size)
	crashpoint.Here("objects: a size is changed")
	return err
}

func (t *Tree) resize(id uint64, change *Change) error {
	object, err := t.Open(id, unix.O_RDWR) // to look at what lies past the end
	if errors.Is(err, unix.EACCES) {
		object, err = t.Open(id, unix.O_WRONLY)
	}
	if err != nil {
		return err
	}
	defer object.Close()
	object.exempt, object.growing = change.Exempt, change.Growing
	if change.Opening {
		return object.Truncate(nil)
	}
	return object.resizeByPath(*change.Size)
}

// resizeByPath is Resize as truncate(2) does it: unlike ftruncate(2) it leaves the times alone when the size stays.
func (o *Object) resizeByPath(size int64) error {
	before, err := o.region.Size()
	if err != nil {
		return err
	}
	if before != size {
		return o.Resize(size)
	}
	o.node.growth.Lock()
	defer o.node.growth.Unlock()
	if o.tree.ledger != nil {
		o.node.setCharged(o.node.charged, false)
	}
	if err := unix.Truncate(descriptorPath(o.region.Descriptor()), size); err != nil {
		return fmt.Errorf("truncating to the same size: %w", err)
	}
	if o.tree.ledger == nil {
		return nil
	}
	crashpoint.Here("objects: a size is set to what it is")
	o.node.setReserved(0)
	crashpoint.Here("objects: nothing is reserved behind an end")
	return o.recharge()
}

// Truncate empties the file as O_TRUNC does: the times move even if it was empty. done is called when that is done and before anything that
// goes through the tree makes the file longer; it may be nil.
func (o *Object) Truncate(done func()) error {
	o.node.growth.Lock()
	defer o.node.growth.Unlock()
	if err := o.resize(0); err != nil {
		return err
	}
	crashpoint.Here("objects: a file is emptied")
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_NOW}}
	if err := unix.UtimesNanoAt(o.region.Descriptor(), "", times, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("moving the times of a truncated file: %w", err)
	}
	if done != nil {
		done()
	}
	return nil
}

// Allocate does what fallocate(2) does on tmpfs, with its modes: 0, FALLOC_FL_KEEP_SIZE, and FALLOC_FL_PUNCH_HOLE with
// FALLOC_FL_KEEP_SIZE. EOPNOTSUPP for any other.
func (o *Object) Allocate(mode uint32, offset, length int64) error {
	if offset < 0 || length <= 0 {
		return fmt.Errorf("allocating %d bytes at %d: %w", length, offset, unix.EINVAL)
	}
	if offset > 1<<63-1-length {
		return fmt.Errorf("allocating %d bytes at %d: %w", length, offset, unix.EFBIG)
	}
	switch mode {
	case unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE:
		err := o.punch(offset, length)
		crashpoint.Here("objects: a hole is punched")
		return err
	case 0, unix.FALLOC_FL_KEEP_SIZE:
		return o.allocate(offset, length, mode != 0)
	}
	return fmt.Errorf("allocation mode %#x: %w", mode, unix.EOPNOTSUPP)
}

// punch frees memory. On a disk under commit=strict the blocks stay reserved, since a later touch must not fail.
func (o *Object) punch(offset, length int64) error {
	if o.tree.ledger == nil || !o.tree.store.Persistent() {
		return o.region.Punch(offset, length)
	}
	o.node.growth.Lock()
	defer o.node.growth.Unlock()
	size, err := o.region.Size()
	if err != nil {
		return err
	}
	// Zeroing would take blocks behind the end, which nobody is charged.
	end := offset + length
	if inside := min(end, pages(size)) - offset; inside > 0 {
		if err := o.zero(offset, inside); err != nil {
			return err
		}
		offset += inside
	}
	if offset == end {
		return nil
	}
	return o.region.Punch(offset, end-offset)
}

// zero frees memory but not the disk's room for it.
func (o *Object) zero(offset, length int64) error {
	err := o.region.Zero(offset, length)
	if !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	if err := o.region.Punch(offset, length); err != nil {
		return err
	}
	return o.region.Reserve(offset, length, true)
}

func (o *Object) allocate(offset, length int64, keepSize bool) error {
	o.node.growth.Lock()
	defer o.node.growth.Unlock()
	if o.tree.ledger == nil {
		return o.region.Reserve(offset, length, keepSize)
	}
	end := pages(offset + length)
	if err := o.charge(end - o.node.charged); err != nil {
		return err
	}
	before := o.node.reservedEnd
	if keepSize { // noted first: better too much is charged than too little
		o.node.setReserved(max(before, end))
	}
	crashpoint.Here("objects: an allocation is charged")
	err := o.reserveGap(offset, keepSize)
	if err == nil {
		err = o.region.Reserve(offset, length, keepSize)
		crashpoint.Here("objects: memory is allocated")
	}
	if err != nil {
		o.node.setReserved(before)
	}
	return errors.Join(err, o.recharge())
}

// reserveGap makes room for what lies between the end of the file and what is allocated behind it, if it becomes part of the
// file.
func (o *Object) reserveGap(offset int64, keepSize bool) error {
	if keepSize {
		return nil
	}
	size, err := o.region.Size()
	if err != nil {
		return err
	}
	return o.reserve(size, offset)
}
