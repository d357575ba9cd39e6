package differential

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Sight is what stat said of one object a call concerned.
type Sight struct {
	Label string // such as "path" or "parent of path2"
	Errno string `json:",omitempty"`

	Inode     uint64 `json:",omitempty"`
	Mode      uint32 `json:",omitempty"`
	Links     uint32 `json:",omitempty"`
	User      uint32 `json:",omitempty"`
	Group     uint32 `json:",omitempty"`
	Size      uint64 `json:",omitempty"` // bytes
	Blocks    uint64 `json:",omitempty"` // 512 bytes each
	BlockSize uint32 `json:",omitempty"` // bytes
	Device    string `json:",omitempty"` // of a device node

	Access, Modify, Change, Birth unix.StatxTimestamp
}

func (s Sight) isRegular() bool { return s.Errno == "" && s.Mode&unix.S_IFMT == unix.S_IFREG }
func (s Sight) isSymlink() bool { return s.Errno == "" && s.Mode&unix.S_IFMT == unix.S_IFLNK }

// see looks at one object. It costs the object nothing: stat changes no time.
func see(label string, start int, path string, flags int) Sight {
	var stat unix.Statx_t
	if err := unix.Statx(start, path, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &stat); err != nil {
		return Sight{Label: label, Errno: errnoName(err)}
	}
	return Sight{
		Label: label, Inode: stat.Ino, Mode: uint32(stat.Mode), Links: stat.Nlink, User: stat.Uid, Group: stat.Gid,
		Size: stat.Size, Blocks: stat.Blocks, BlockSize: stat.Blksize, Device: fmt.Sprintf("%d:%d", stat.Rdev_major, stat.Rdev_minor),
		Access: stat.Atime, Modify: stat.Mtime, Change: stat.Ctime, Birth: stat.Btime,
	}
}

// seeConcerned looks at everything the call concerns.
func (w *worker) seeConcerned(c Call) []Sight {
	var sights []Sight
	watches := operationNamed[c.Operation].watches
	if watches&watchesFile != 0 {
		sights = append(sights, w.seeFile("file", c.File))
	}
	if watches&watchesOther != 0 {
		sights = append(sights, w.seeFile("other file", c.Other))
	}
	if watches&watchesPath != 0 {
		sights = append(sights, seePath("path", w.start(c), string(c.Path))...)
	}
	if watches&watchesPath2 != 0 {
		start := unix.AT_FDCWD
		if c.Operation == "symlink" {
			start = w.start(c)
		}
		sights = append(sights, seePath("path2", start, string(c.Path2))...)
	}
	return w.lie.seen(sights)
}

func (w *worker) seeFile(label string, n int) Sight {
	return see(label, w.files[n], "", unix.AT_EMPTY_PATH)
}

// seePath looks at the name itself, at what it points to if it is a symbolic link, and at its parent directory.
func seePath(label string, start int, path string) []Sight {
	sights := []Sight{see(label, start, path, unix.AT_SYMLINK_NOFOLLOW)}
	if sights[0].isSymlink() {
		sights = append(sights, see("target of "+label, start, path, 0))
	}
	return append(sights, see("parent of "+label, start, parent(path), 0))
}

// parent is the path of the directory that the path's last component stands in.
func parent(path string) string {
	trimmed := strings.TrimRight(path, "/")
	last := strings.LastIndexByte(trimmed, '/')
	switch {
	case last < 0:
		return "."
	case last == 0:
		return "/"
	}
	return trimmed[:last]
}
