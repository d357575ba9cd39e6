package fs

import (
	"fmt"

	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// dispatch has a request done and answered. Its node is the tree's; kernelNode is what the kernel calls it.
func (f *Filesystem) dispatch(request fuse.Request, kernelNode uint64) {
	if f.serveInfo(request) {
		return
	}
	switch r := request.(type) {
	case *fuse.LookupRequest:
		f.lookup(r)
	case *fuse.GetattrRequest:
		f.getattr(r)
	case *fuse.SetattrRequest:
		f.setattr(r)
	case *fuse.ReadlinkRequest:
		target, err := f.tree.Readlink(uint64(r.Node))
		f.answerBytes(r, []byte(target), err)
	case *fuse.SymlinkRequest:
		entry, err := f.makeOnce(r, r.NewName, func() (objects.Entry, error) {
			return f.tree.Symlink(uint64(r.Node), r.NewName, r.Target, f.creator(r, 0))
		})
		f.answerMade(r, r.NewName, entry, err)
	case *fuse.MknodRequest:
		entry, err := f.makeOnce(r, r.Name, func() (objects.Entry, error) {
			return f.tree.Mknod(uint64(r.Node), r.Name, unixMode(r.Mode), r.Rdev, f.creator(r, r.Umask))
		})
		f.answerMade(r, r.Name, entry, err)
	case *fuse.MkdirRequest:
		entry, err := f.makeOnce(r, r.Name, func() (objects.Entry, error) {
			return f.tree.Mkdir(uint64(r.Node), r.Name, unixMode(r.Mode)&0o7777, f.creator(r, r.Umask))
		})
		f.answerMade(r, r.Name, entry, err)
	case *fuse.LinkRequest:
		f.link(r)
	case *fuse.RemoveRequest:
		f.remove(r)
	case *fuse.RenameRequest:
		f.answerEmpty(r, f.rename(r, r.OldName, uint64(r.NewDir), r.NewName, 0))
	case *fuse.CreateRequest:
		f.create(r)
	case *fuse.OpenRequest:
		f.openRequest(r, kernelNode)
	case *fuse.ReadRequest:
		f.readRequest(r)
	case *fuse.WriteRequest:
		f.write(r)
	case *fuse.ReleaseRequest:
		f.releaseRequest(r)
	case *fuse.FsyncRequest:
		f.fsync(r)
	case *fuse.FAllocateRequest:
		f.allocate(r)
	case *fuse.StatfsRequest:
		f.statfs(r)
	case *fuse.GetxattrRequest:
		f.getxattr(r)
	case *fuse.ListxattrRequest:
		f.listxattr(r)
	case *fuse.SetxattrRequest:
		f.setxattr(r)
	case *fuse.RemovexattrRequest:
		f.removexattr(r)
	case *fuse.PollRequest:
		f.poll(r)
	case *fuse.DestroyRequest:
		f.answerEmpty(r, nil)
	case *fuse.NotifyReply:
		discard(r) // nothing was asked of the kernel, and no answer is due
	case *fuse.UnrecognizedRequest:
		f.extension(r)
	default:
		// ENOSYS tells the kernel not to ask again: FLUSH has nothing to do here, locks are the kernel's own.
		f.fail(request, fmt.Errorf("request not served: %w", unix.ENOSYS))
	}
}
