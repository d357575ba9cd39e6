package fs

import (
	"shmfs/fs/meter"

	"bazil.org/fuse"
)

// kindOfRequest returns a request's kind, as it is counted.
func kindOfRequest(request fuse.Request) meter.Kind {
	pick := func(directory bool, yes, no meter.Kind) meter.Kind {
		if directory {
			return yes
		}
		return no
	}
	switch r := request.(type) {
	case *fuse.LookupRequest:
		return meter.Lookup
	case *fuse.GetattrRequest:
		return meter.Getattr
	case *fuse.SetattrRequest:
		return meter.Setattr
	case *fuse.ReadlinkRequest:
		return meter.Readlink
	case *fuse.SymlinkRequest:
		return meter.Symlink
	case *fuse.MknodRequest:
		return meter.Mknod
	case *fuse.MkdirRequest:
		return meter.Mkdir
	case *fuse.LinkRequest:
		return meter.Link
	case *fuse.RemoveRequest:
		return pick(r.Dir, meter.Rmdir, meter.Unlink)
	case *fuse.RenameRequest:
		return meter.Rename
	case *fuse.CreateRequest:
		return meter.Create
	case *fuse.OpenRequest:
		return pick(r.Dir, meter.Opendir, meter.Open)
	case *fuse.ReadRequest:
		return pick(r.Dir, meter.Readdir, meter.Read)
	case *fuse.WriteRequest:
		return meter.Write
	case *fuse.ReleaseRequest:
		return pick(r.Dir, meter.Releasedir, meter.Release)
	case *fuse.FsyncRequest:
		return pick(r.Dir, meter.Fsyncdir, meter.Fsync)
	case *fuse.FAllocateRequest:
		return meter.Fallocate
	case *fuse.StatfsRequest:
		return meter.Statfs
	case *fuse.GetxattrRequest:
		return meter.Getxattr
	case *fuse.ListxattrRequest:
		return meter.Listxattr
	case *fuse.SetxattrRequest:
		return meter.Setxattr
	case *fuse.RemovexattrRequest:
		return meter.Removexattr
	case *fuse.FlushRequest:
		return meter.Flush
	case *fuse.PollRequest:
		return meter.Poll
	case *fuse.DestroyRequest:
		return meter.Destroy
	case *fuse.UnrecognizedRequest:
		return meter.KindOf(r.Opcode)
	}
	return meter.Unknown
}
