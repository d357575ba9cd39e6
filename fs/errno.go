package fs

import (
	"errors"
	"syscall"

	"shmfs/mmapcore/crashpoint"

	"bazil.org/fuse"
)

// errnoOf is the one place where an error becomes an errno: the one the failing call gave, however wrapped (the packages below
// wrap one into every error of their own), or EIO.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EIO
}

// ordinary says whether an errno is part of daily use, not worth more than a debug line.
func ordinary(errno syscall.Errno) bool {
	switch errno {
	case syscall.EIO, syscall.ESTALE, syscall.EBADF, syscall.ENFILE, syscall.EMFILE, syscall.ENOMEM, syscall.EPROTO:
		return false
	}
	return true
}

// fail answers a request with an error.
func (f *Filesystem) fail(request fuse.Request, err error) {
	errno := errnoOf(err)
	f.inflight.failed(request.Hdr().ID, errno)
	f.giveReserved(request.Hdr())
	f.tellFull(request, errno)
	switch {
	case f.tellExceeded(request, err):
	case ordinary(errno) || errors.Is(err, errLookAgain):
		if f.log.IsDebug() {
			f.log.Debug("request failed", "request", request.String(), "errno", errno.Error(), "reason", err)
		}
	default:
		f.log.Warn("request failed", "request", request.String(), "errno", errno.Error(), "reason", err)
	}
	crashpoint.Here("fs: an error is due")
	f.answerError(request, errno)
	crashpoint.Here("fs: an error is sent")
}
