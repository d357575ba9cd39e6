package fs

import (
	"fmt"
	"time"

	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// serveInfo serves a request that concerns the daemon's own tree; false for any other.
func (f *Filesystem) serveInfo(request fuse.Request) bool {
	node := uint64(request.Hdr().Node)
	switch r := request.(type) {
	case *fuse.LookupRequest:
		if !isInfo(node) && !isReserved(node, r.Name) {
			return false
		}
		f.infoLookup(r)
	case *fuse.ReadRequest, *fuse.ReleaseRequest, *fuse.PollRequest, *fuse.StatfsRequest, *fuse.FlushRequest:
		return false // by handle, or of the whole file system; an error of FLUSH would be close(2)'s
	case *fuse.LinkRequest:
		if !isInfo(node) && !isInfo(uint64(r.OldNode)) && !isReserved(node, r.NewName) {
			return false
		}
		f.refuseInfo(request)
	case *fuse.RenameRequest:
		return f.refuseInfoRename(r, r.OldName, uint64(r.NewDir), r.NewName)
	default:
		if in, renames := renameOf(request); renames {
			return f.refuseInfoRename(request, in.oldName, in.newParent, in.newName)
		}
		if name, named := nameIn(request); named && isReserved(node, name) {
			f.refuseInfo(request)
			return true
		}
		if !isInfo(node) {
			return false
		}
		f.serveInfoNode(request, node)
	}
	return true
}

// renameOf decodes a request that is a RENAME2, as far as it can be decoded.
func renameOf(request fuse.Request) (in renameIn, renames bool) {
	r, unrecognized := request.(*fuse.UnrecognizedRequest)
	if !unrecognized || r.Opcode != opcodeRename2 {
		return in, false
	}
	body, err := bodyOf(r)
	if err != nil {
		return in, false
	}
	in, err = parseRename2(body)
	return in, err == nil
}

// refuseInfoRename refuses a renaming that concerns the tree; false for any other.
func (f *Filesystem) refuseInfoRename(request fuse.Request, oldName string, newParent uint64, newName string) bool {
	node := uint64(request.Hdr().Node)
	if !isInfo(node) && !isInfo(newParent) && !isReserved(node, oldName) && !isReserved(newParent, newName) {
		return false
	}
	f.refuseInfo(request)
	return true
}

// nameIn returns the name that a request makes or removes in its directory.
func nameIn(request fuse.Request) (string, bool) {
	switch r := request.(type) {
	case *fuse.CreateRequest:
		return r.Name, true
	case *fuse.MknodRequest:
		return r.Name, true
	case *fuse.MkdirRequest:
		return r.Name, true
	case *fuse.SymlinkRequest:
		return r.NewName, true
	case *fuse.RemoveRequest:
		return r.Name, true
	}
	return "", false
}

// serveInfoNode serves a request about a node of the tree by itself.
func (f *Filesystem) serveInfoNode(request fuse.Request, node uint64) {
	switch r := request.(type) {
	case *fuse.GetattrRequest:
		stat, err := f.infoStat(node)
		f.answerAttributes(r, stat, err)
	case *fuse.OpenRequest:
		f.infoOpen(r)
	case *fuse.GetxattrRequest: // access control lists among them, for which the kernel asks by itself
		f.fail(request, fmt.Errorf("attribute %q in %s: %w", r.Name, infoName, unix.ENODATA))
	case *fuse.ListxattrRequest:
		f.answerSized(r, r.Size, nil, nil)
	case *fuse.FsyncRequest:
		f.fail(request, fmt.Errorf("syncing %s: %w", infoName, unix.EINVAL)) // as in /proc
	case *fuse.UnrecognizedRequest:
		f.serveInfoExtension(r, node)
	default:
		f.refuseInfo(request)
	}
}

func (f *Filesystem) serveInfoExtension(r *fuse.UnrecognizedRequest, node uint64) {
	switch r.Opcode {
	case opcodeStatx:
		stat, err := f.infoStat(node)
		if err != nil {
			f.fail(r, err)
			return
		}
		extended := statxOf(&stat)
		message := make([]byte, outHeaderSize+statxOutSize)
		putStatx(message[outHeaderSize:], &extended)
		_ = f.answer(r, message)
	case opcodeLseek:
		f.fail(r, fmt.Errorf("looking for data in %s: %w", infoName, unix.ENXIO)) // its files are of size 0
	case opcodeRename2, opcodeTmpfile:
		f.refuseInfo(r)
	default:
		f.extension(r) // not served anywhere: ioctl, copying between files
	}
}

// statxOf is what stat(2) says in statx(2)'s words.
func statxOf(stat *unix.Stat_t) unix.Statx_t {
	at := func(time unix.Timespec) unix.StatxTimestamp {
		return unix.StatxTimestamp{Sec: time.Sec, Nsec: uint32(time.Nsec)}
	}
	return unix.Statx_t{
		Mask: unix.STATX_BASIC_STATS, Blksize: uint32(stat.Blksize), Nlink: uint32(stat.Nlink), Uid: stat.Uid, Gid: stat.Gid,
		Mode: uint16(stat.Mode), Ino: stat.Ino, Size: uint64(stat.Size), Blocks: uint64(stat.Blocks),
		Atime: at(stat.Atim), Mtime: at(stat.Mtim), Ctime: at(stat.Ctim),
	}
}

// refuseInfo answers what would change the tree.
func (f *Filesystem) refuseInfo(request fuse.Request) {
	f.fail(request, fmt.Errorf("%s is the daemon's own: %w", infoName, unix.EPERM))
}

// infoLookup answers LOOKUP of the tree or in it.
func (f *Filesystem) infoLookup(r *fuse.LookupRequest) {
	node, err := f.infoFind(uint64(r.Node), r.Name)
	if err != nil {
		f.fail(r, err)
		return
	}
	entry := objects.Entry{ID: node}
	if entry.Stat, err = f.infoStat(node); err != nil {
		f.forget(node, 1)
		f.fail(r, err)
		return
	}
	valid := nameValid
	if _, mirrors := mirrored(node); mirrors && node != infoMirror {
		valid = time.Duration(0) // it goes with the object's own name
	}
	f.answerNamed(r, entry, valid, nil)
}

// infoFind returns the node that a name leads to, with one reference to what it mirrors.
func (f *Filesystem) infoFind(parent uint64, name string) (uint64, error) {
	if id, mirrors := mirrored(parent); mirrors {
		entry, err := f.tree.Lookup(id, name)
		if err != nil {
			return 0, err
		}
		return mirrorOf(entry.ID), nil
	}
	switch {
	case parent == objects.RootID:
		return infoRoot, nil
	case parent != infoRoot:
		return 0, fmt.Errorf("%q in %s: %w", name, infoName, unix.ENOTDIR)
	case name == "object":
		return infoMirror, nil
	case name == "events":
		return infoEvents, nil
	}
	for i, file := range infoFiles {
		if file.name == name {
			return infoFirstFile + uint64(i), nil
		}
	}
	return 0, fmt.Errorf("%q in %s: %w", name, infoName, unix.ENOENT)
}

// forgetInfo gives back references to a node of the tree.
func (f *Filesystem) forgetInfo(node, count uint64) {
	if id, mirrors := mirrored(node); mirrors && node != infoMirror {
		f.forget(id, count)
	}
}

// infoOpen opens a file or directory of the tree.
func (f *Filesystem) infoOpen(r *fuse.OpenRequest) {
	if handle, replied := f.madeBefore(r); handle != nil {
		f.answerOpening(r, f.openingOf(handle, replied))
		return
	}
	opened, wanted, replied, err := f.openInfo(r)
	if err != nil {
		f.fail(r, err)
		return
	}
	handle := &handle{node: uint64(r.Node), kernelNode: uint64(r.Node), info: opened}
	f.handles.add(handle)
	f.handOver(r, handle, wanted, replied)
}

// openInfo returns what a file or directory of the tree holds at this moment, and the flags that it is opened with and of the reply.
func (f *Filesystem) openInfo(r *fuse.OpenRequest) (opened *openInfo, wanted, replied uint32, err error) {
	node, from := uint64(r.Node), askerOf(r)
	if r.Dir {
		directory, err := f.openInfoDirectory(node)
		return &openInfo{directory: directory, user: r.Uid}, uint32(r.Flags) | unix.O_DIRECTORY, 0, err
	}
	if uint32(r.Flags)&(unix.O_ACCMODE|unix.O_TRUNC) != unix.O_RDONLY {
		return nil, 0, 0, fmt.Errorf("writing in %s: %w", infoName, unix.EPERM)
	}
	if err := f.takeReader(r); err != nil {
		return nil, 0, 0, err
	}
	opened, replied = &openInfo{}, openDirectIO
	if node == infoEvents {
		opened, replied = f.openEvents(from), openDirectIO|openStream
	} else if opened.text, err = f.infoText(node, from); err != nil {
		f.limits.readers.Give(r.Uid)
	}
	opened.user = r.Uid
	return opened, uint32(r.Flags), replied, err
}

// infoText makes the text of a file for who asks.
func (f *Filesystem) infoText(node uint64, from asker) ([]byte, error) {
	if file, found := fileOf(node); found {
		return file.text(f, from)
	}
	if node&mirrorBit == 0 {
		return nil, fmt.Errorf("node %#x: %w", node, unix.ESTALE)
	}
	id, _ := mirrored(node)
	return f.objectText(id, from)
}
