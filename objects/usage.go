package objects

import (
	"errors"
	"fmt"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// Usage returns statfs(2) figures. Under commit=strict the blocks are those of the ledger: what is promised is not free.
func (t *Tree) Usage() (unix.Statfs_t, error) {
	figures, err := t.store.Usage()
	if err != nil || t.ledger == nil {
		return figures, err
	}
	limit, used := t.ledger.Figures()
	if limit == 0 {
		return figures, nil
	}
	left := uint64(max(0, limit-used) / figures.Bsize)
	if t.store.Persistent() {
		left = min(left, figures.Bavail) // others fill the disk too
	}
	figures.Blocks = uint64(limit / figures.Bsize)
	figures.Bfree = left
	figures.Bavail = left
	return figures, nil
}

// standingCharge is what an inode that is already there is charged: a file's size, a symbolic link's blocks. A file's blocks are
// no measure: a huge page or an access control list takes more than anybody was charged.
func (t *Tree) standingCharge(stat *unix.Stat_t) int64 {
	if t.ledger == nil {
		return 0
	}
	const blockSize = 512 // of st_blocks, whatever st_blksize
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return pages(stat.Size)
	case unix.S_IFLNK:
		if stat.Size < shortestCharged { // its attributes may take blocks
			return 0
		}
		return min(pages(stat.Blocks*blockSize), pageSize)
	}
	return 0
}

// eachInode calls visit for everything below the root, each inode once, by one of its names in an open directory.
func (t *Tree) eachInode(visit func(directory int, name string, stat *unix.Stat_t) error) error {
	root, err := unix.Openat(t.store.Root(), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the root: %w", err)
	}
	defer unix.Close(root)
	r := recounting{tree: t, visit: visit, seen: make(map[uint64]struct{})}
	return r.below(root)
}

// recounting is the state of one way through all inodes. Not for concurrent use.
type recounting struct {
	tree  *Tree
	visit func(directory int, name string, stat *unix.Stat_t) error
	seen  map[uint64]struct{} // inodes
}

// below counts everything below an open directory.
func (r *recounting) below(directory int) error {
	listing := &Listing{descriptor: directory}
	return listing.each(func(name string) error { return r.named(directory, name) })
}

// named counts what has the name in an open directory, and everything below it. A name that is gone counts nothing.
func (r *recounting) named(directory int, name string) error {
	stat, err := r.tree.statName(directory, name)
	if err == unix.ENOENT || err == unix.EXDEV { // the latter is not to be had through the mount
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading attributes of %q: %w", name, err)
	}
	if _, again := r.seen[stat.Ino]; again {
		return nil
	}
	r.seen[stat.Ino] = struct{}{}
	if err := r.visit(directory, name, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	below, err := openName(directory, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP || err == unix.EXDEV { // others have been faster
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening %q: %w", name, err)
	}
	defer unix.Close(below)
	return r.below(below)
}

// each calls f for every name but "." and "..". A directory that was removed has no names.
func (l *Listing) each(f func(name string) error) error {
	const size = 32 << 10
	for cursor := int64(0); ; {
		var names []string
		before := cursor
		err := l.Read(cursor, size, func(name Name) bool {
			cursor = name.Cursor
			if text := string(name.Bytes); text != "." && text != ".." {
				names = append(names, text)
			}
			return true
		})
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := f(name); err != nil {
				return err
			}
		}
		if cursor == before {
			return nil
		}
	}
}

// Limits are what a live tree can be given anew.
type Limits struct {
	Size   int64  // bytes; 0: no limit
	Inodes int64  // 0: no limit
	Huge   string // never, always, within_size or advise
}

// limitPatience is how long a lower limit waits while inodes without a name are about to go. It may be longer than growth waits:
// limits change seldom.
const limitPatience = time.Second

// SetLimits changes the limits of a live tree from what they are. EINVAL when more is in use, also after waiting for what is
// about to come free; EPERM for what an ordinary user's daemon may not change about its tmpfs. Then nothing has changed.
func (t *Tree) SetLimits(now, wanted Limits) error {
	const look = time.Millisecond // the store does not tell when it has freed something
	for begin := time.Now(); ; time.Sleep(look) {
		most := patience // the kernel may free memory a little after the last orphan went
		if t.orphans.Load() > 0 {
			most = limitPatience
		}
		err := t.trySetLimits(now, wanted)
		if !errors.Is(err, unix.EINVAL) || time.Since(begin) >= most {
			return err
		}
	}
}

func (t *Tree) trySetLimits(now, wanted Limits) error {
	if t.ledger == nil {
		return t.limitStore(now, wanted)
	}
	before, _ := t.ledger.Figures()
	if err := t.ledger.SetLimit(wanted.Size); err != nil {
		return err
	}
	now.Size, wanted.Size = 0, 0 // the ledger is the only limit on bytes
	if err := t.limitStore(now, wanted); err != nil {
		return errors.Join(err, t.ledger.SetLimit(before))
	}
	return nil
}

func (t *Tree) limitStore(now, wanted Limits) error {
	if now == wanted {
		return nil
	}
	return t.store.Limit(mmapcore.TmpfsOptions{Size: wanted.Size, Inodes: wanted.Inodes, Huge: wanted.Huge})
}
