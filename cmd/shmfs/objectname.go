package main

import (
	"errors"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// object is something in a mount as the command line sees it: a path that need not exist.
type object struct {
	name  string // path below the root, clean, without a slash before it
	mount string // directory
}

func (o object) path() string { return o.mount + "/" + o.name }

// isSemaphore reports whether the name is that of a semaphore's file.
func (o object) isSemaphore() bool {
	return strings.HasPrefix(o.name, semaphorePrefix) && !strings.Contains(o.name, "/")
}

// objectName returns a path below the mount's root. A slash may stand before it, as shm_open has it.
func objectName(text string) (string, error) {
	name := path.Clean("/" + text)[1:]
	switch {
	case text == "":
		return "", failure(exitUsage, "the name of the object is empty: give one")
	case strings.Contains(text, "\x00"):
		return "", failure(exitUsage, "the name %q has a zero byte in it: give another", text)
	case name == "":
		return "", failure(exitUsage, "%q is the mount itself: give the name of an object in it", text)
	case name == infoDirectory || strings.HasPrefix(name, infoDirectory+"/"):
		return "", failure(exitUsage, "%q belongs to the daemon: give the name of an object", text)
	}
	return name, nil
}

// objectNames is objectName for many.
func objectNames(texts []string) ([]string, error) {
	names := make([]string, len(texts))
	for i, text := range texts {
		var err error
		if names[i], err = objectName(text); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// isWithin reports whether a path is one of the names or lies below one of them. Without names everything is.
func isWithin(name string, names []string) bool {
	for _, one := range names {
		if rest, found := strings.CutPrefix(name, one); found && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return len(names) == 0
}

// refusal says why an operation on an object failed, with the remedy where there is one.
func (o object) refusal(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return o.missing()
	case errors.Is(err, unix.EEXIST):
		return failure(exitFailure, "object %q exists already: give another name, or remove it with shmfs rm %s",
			o.name, shellName(o.name))
	case errors.Is(err, unix.EISDIR):
		return failure(exitFailure, "%q is a directory: give the name of an object in it", o.name)
	case errors.Is(err, unix.ENOTDIR):
		return failure(exitFailure, "object %q: something on the way to it is no directory: see what there is with shmfs ls", o.name)
	case errors.Is(err, unix.ELOOP):
		return failure(exitFailure, "%q is a symbolic link: give the name of what it leads to", o.name)
	case errors.Is(err, unix.ENAMETOOLONG):
		return failure(exitUsage, "the name %q is too long: a name may have %d bytes", o.name, unix.NAME_MAX)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return failure(exitPermission, "object %q: %w: use sudo, or have its owner allow it with chmod", o.name, err)
	case errors.Is(err, unix.EROFS):
		return failure(exitFailure, "the shmfs on %s is mounted read-only: have it remounted with shmfs mount -o remount,rw %s",
			o.mount, o.mount)
	case errors.Is(err, unix.EDQUOT):
		return failure(exitFailure, "object %q: %w: its owner has reached a limit (see shmfs quota get): remove objects (see "+
			"shmfs gc --dry-run), or have the limit raised with shmfs quota set", o.name, err)
	case errors.Is(err, unix.ENOSPC):
		return failure(exitFailure, "object %q: %w: remove objects (see shmfs gc --dry-run), or give the mount a larger size "+
			"(shmfs mount -o remount,size=SIZE %s)", o.name, err, o.mount)
	case errors.Is(err, unix.EFBIG):
		return failure(exitUsage, "object %q: %w: give a smaller size", o.name, err)
	case isMountGone(err):
		return mountGone(o.mount)
	}
	return failure(exitFailure, "object %q: %w", o.name, err)
}

// missing says that there is no such object, and which semaphore may be meant.
func (o object) missing() error {
	directory, base := path.Split(o.name)
	if _, err := os.Lstat(o.mount + "/" + semaphorePrefix + o.name); directory == "" && err == nil {
		return failure(exitFailure, "object %q does not exist: the semaphore of that name is %s%s", o.name, semaphorePrefix, base)
	}
	return failure(exitFailure, "object %q does not exist: see which do with shmfs ls", o.name)
}

// refuseSemaphore refuses what would destroy a semaphore.
func (o object) refuseSemaphore(doing, remedy string) error {
	if !o.isSemaphore() {
		return nil
	}
	return failure(exitUsage, "%q is a semaphore, %s would destroy it: %s", o.name, doing, remedy)
}

// requireRegularObject refuses what is no regular file: opening a FIFO would wait for ever.
func (o object) requireRegularObject() error {
	var found unix.Stat_t
	if err := unix.Lstat(o.path(), &found); err != nil {
		return o.refusal(err)
	}
	switch found.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		return o.refusal(unix.EISDIR)
	case unix.S_IFLNK:
		return o.refusal(unix.ELOOP)
	}
	return failure(exitFailure, "%q is a special file: give the name of an object", o.name)
}

// open opens a regular file.
func (o object) open(flags int) (int, error) {
	if err := o.requireRegularObject(); err != nil {
		return -1, err
	}
	descriptor, err := openUninterrupted(o.path(), flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, o.refusal(err)
	}
	return descriptor, nil
}

// completeObject completes arguments with names of the mount's root and of the directory that is begun.
func (c *inspectCommand) completeObject(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	mount, err := chooseMount(c.mount)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	directory, base := path.Split(begun)
	entries, err := within(func() ([]os.DirEntry, error) { return os.ReadDir(path.Join(mount, directory)) })
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, base) || printable(name) != name { // no shell could take over control characters
			continue
		}
		if entry.IsDir() {
			name += "/"
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		names = append(names, directory+name)
	}
	return names, directive
}
