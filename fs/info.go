package fs

import (
	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// The daemon's own tree, MOUNT/.shmfs (docs/inspection.md). Its nodes have ids of their own, with infoBit set, and are not in the
// objects' tree. A node below .shmfs/object stands for a node of that tree, and every reference to it is one there too.

// infoName is the tree's name, right under the root.
const infoName = ".shmfs"

// The bits that mark ids. Inode numbers of the stores in use do not reach them.
const (
	infoBit   = 1 << 62
	mirrorBit = 1 << 61 // with infoBit: below .shmfs/object
)

// infoFile is one file of the tree.
type infoFile struct {
	name string
	// text makes what the file holds, for who asks. It runs on a goroutine of its own request and holds no lock that others need.
	text func(*Filesystem, asker) ([]byte, error)
}

// infoFiles are the files right below .shmfs but for events. A file's id is its place in this list: it must not change while a mount
// lasts.
var infoFiles []infoFile

func init() { // it refers to functions that refer to it
	infoFiles = []infoFile{
		{"version", (*Filesystem).versionText},
		{"config", (*Filesystem).configText},
		{"objects", (*Filesystem).objectsText},
		{"semaphores", (*Filesystem).semaphoresText},
		{"users", (*Filesystem).usersText},
		{"stats", (*Filesystem).statsText},
		{"metrics", (*Filesystem).metricsText},
		{"handles", (*Filesystem).handlesText},
		{"maps", (*Filesystem).mapsText},
		{"quota", (*Filesystem).quotaTable},
	}
}

// Ids of the nodes that are no infoFiles.
const (
	infoRoot      = infoBit | 1
	infoMirror    = infoBit | 2 // the directory object, which mirrors the root
	infoEvents    = infoBit | 3
	infoFirstFile = infoBit | 16
)

// isInfo says whether a node belongs to the daemon's own tree.
func isInfo(node uint64) bool { return node&infoBit != 0 && node&apartBit == 0 }

// isReserved says whether a name is the tree's own.
func isReserved(parent uint64, name string) bool { return parent == objects.RootID && name == infoName }

// fileOf returns the file of a node.
func fileOf(node uint64) (infoFile, bool) {
	if i := node - infoFirstFile; node >= infoFirstFile && i < uint64(len(infoFiles)) {
		return infoFiles[i], true
	}
	return infoFile{}, false
}

// mirrored returns the node of the objects' tree that a node below .shmfs/object stands for.
func mirrored(node uint64) (id uint64, found bool) {
	if node == infoMirror {
		return objects.RootID, true
	}
	return node &^ (infoBit | mirrorBit), node&mirrorBit != 0
}

// mirrorOf returns the node below .shmfs/object that stands for a node of the objects' tree.
func mirrorOf(id uint64) uint64 {
	if id == objects.RootID {
		return infoMirror
	}
	return id | infoBit | mirrorBit
}

// infoStat returns a node's attributes. What mirrors an object belongs to its owner, and directories can be searched by whom the
// object's can; nothing can be written.
func (f *Filesystem) infoStat(node uint64) (unix.Stat_t, error) {
	stat := unix.Stat_t{Mode: unix.S_IFREG | 0o444, Nlink: 1, Blksize: 4096}
	stat.Atim = f.facts.Started
	stat.Mtim, stat.Ctim = f.facts.Started, f.facts.Started
	switch id, mirrors := mirrored(node); {
	case mirrors:
		of, err := f.tree.Stat(id)
		if err != nil {
			return stat, err
		}
		stat.Uid, stat.Gid = of.Uid, of.Gid
		stat.Atim, stat.Mtim, stat.Ctim = of.Atim, of.Mtim, of.Ctim
		if of.Mode&unix.S_IFMT == unix.S_IFDIR {
			stat.Mode, stat.Nlink = unix.S_IFDIR|of.Mode&0o1555, 2
		}
	case node == infoRoot:
		stat.Mode, stat.Nlink = unix.S_IFDIR|0o555, 3
	}
	stat.Ino = node
	return stat, nil
}
