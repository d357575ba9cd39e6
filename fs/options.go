package fs

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Commit says when the bytes of an object are charged against the size of the mount.
type Commit int

const (
	// Strict charges an object's size when it is set. What does not fit is refused by the call that asks for it.
	Strict Commit = iota
	// Lazy charges a page when it is first touched, as tmpfs does.
	Lazy
)

// String returns the name that the option commit= takes.
func (c Commit) String() string {
	switch c {
	case Strict:
		return "strict"
	case Lazy:
		return "lazy"
	}
	return fmt.Sprintf("Commit(%d)", int(c))
}

// StoreTmpfs is the value of Options.Store that keeps the objects in memory.
const StoreTmpfs = "tmpfs"

// Options is everything that can be said about a mount. It is a plain value: two Options are the same mount exactly when
// they are equal, and it may be copied and read by any number of goroutines.
type Options struct {
	// Size is the most bytes that all objects together may hold; 0 is no limit, as in tmpfs.
	Size int64
	// Inodes is the most files, directories and links there may be; 0 is no limit, as in tmpfs.
	Inodes int64
	// QuotaBytes and QuotaObjects are the most that each user may hold who has no limits of their own; 0 is no limit. Under
	// commit=lazy QuotaBytes is 0.
	QuotaBytes, QuotaObjects int64
	// Mode is the permission bits of the root directory, at most 0o7777.
	Mode uint32
	// UID and GID own the root directory.
	UID, GID uint32
	// Huge says when huge pages back the objects: never, always, within_size or advise.
	Huge string
	// ReadOnly refuses every change, NoExec the execution of files.
	ReadOnly, NoExec bool
	// Commit says when bytes are charged against Size.
	Commit Commit
	// Store is where the objects are kept: StoreTmpfs, or the absolute path of a directory.
	Store string
	// RequirePassthrough makes a mount fail that would have to use page-cache mode.
	RequirePassthrough bool
	// Passthrough allows the kernel's passthrough where it can be had; false forces page-cache mode.
	Passthrough bool
	// AllowOther lets users other than the mounting one into the mount.
	AllowOther bool
	// FSName is the source that the mount table shows.
	FSName string
	// The most that one user may have, other than root and who runs the daemon; 0 is no limit (docs/limits.md). LimitHandles are open
	// files and directories, LimitWaiters calls that wait for a semaphore or an event, LimitReaders open files of the daemon's own
	// tree, LimitRequests requests that are served at a time.
	LimitHandles, LimitWaiters, LimitReaders, LimitRequests int64
}

// DefaultOptions returns what is in force when nothing is asked for: the defaults of tmpfs where tmpfs has the option,
// owned by the user who runs this process.
func DefaultOptions() Options {
	pages := physicalMemory() / uint64(os.Getpagesize())
	return Options{
		Size:        int64(pages / 2 * uint64(os.Getpagesize())),
		Inodes:      int64(pages / 2),
		Mode:        0o1777,
		UID:         uint32(os.Getuid()),
		GID:         uint32(os.Getgid()),
		Huge:        "advise",
		Commit:      Strict,
		Store:       StoreTmpfs,
		Passthrough: true,
		AllowOther:  os.Geteuid() == 0,
		FSName:      "shmfs",

		LimitHandles:  defaultHandles(),
		LimitWaiters:  10_000,
		LimitReaders:  32,
		LimitRequests: int64(8 * runtime.NumCPU()),
	}
}

// defaultHandles is what leaves other users room among the descriptors that this process may have: each open file may take one.
func defaultHandles() int64 {
	const most, share = 64 << 10, 4
	var descriptors unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &descriptors); err != nil {
		return most
	}
	return int64(max(1, min(descriptors.Max/share, most)))
}

// String returns the options in the form ParseOptions reads, every one of them in force named, so that for any options o
// that ParseOptions returned, ParseOptions(o.String()) returns o again, whoever calls it.
func (o Options) String() string {
	words := []string{
		choice(o.ReadOnly, "ro", "rw"),
		choice(o.NoExec, "noexec", "exec"),
		"commit=" + o.Commit.String(),
		"store=" + escapeValue(o.Store),
		"passthrough=" + choice(o.Passthrough, "auto", "off"),
		choice(o.AllowOther, "allow_other", "noallow_other"),
		"fsname=" + escapeValue(o.FSName),
		"quota-objects=" + strconv.FormatInt(o.QuotaObjects, 10),
		"limit-handles=" + strconv.FormatInt(o.LimitHandles, 10),
		"limit-waiters=" + strconv.FormatInt(o.LimitWaiters, 10),
		"limit-readers=" + strconv.FormatInt(o.LimitReaders, 10),
		"limit-requests=" + strconv.FormatInt(o.LimitRequests, 10),
	}
	if o.Commit == Strict {
		words = append(words, "quota-uid="+strconv.FormatInt(o.QuotaBytes, 10))
	}
	if o.Store == StoreTmpfs || o.Commit == Strict {
		words = append(words, "size="+strconv.FormatInt(o.Size, 10))
	}
	if o.Store == StoreTmpfs {
		words = append(words,
			"nr_inodes="+strconv.FormatInt(o.Inodes, 10),
			fmt.Sprintf("mode=%04o", o.Mode),
			"uid="+strconv.FormatUint(uint64(o.UID), 10),
			"gid="+strconv.FormatUint(uint64(o.GID), 10),
			"huge="+o.Huge)
	}
	if o.RequirePassthrough {
		words = append(words, "require-passthrough")
	}
	return strings.Join(words, ",")
}

func choice(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

// physicalMemory returns the bytes of physical memory, counted as tmpfs counts them for its percentages.
var physicalMemory = sync.OnceValue(func() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		// The call has no failure but a bad pointer, and without it no default limit could be had.
		panic(fmt.Sprintf("asking the kernel for the size of memory: %v", err))
	}
	return uint64(info.Totalram) * uint64(info.Unit)
})
