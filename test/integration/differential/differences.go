package differential

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Configuration is one way the subject is mounted.
type Configuration struct {
	Name    string
	Options string // as given to -o
	Tmpfs   bool   // the subject is a second tmpfs: the test's own sanity check
	Lazy    bool   // commit=lazy, where the mount's usage is that of its pages, as on tmpfs
	Cached  bool   // passthrough=off
}

// difference is an intended difference between shmfs and tmpfs: which mismatches it excuses.
type difference struct {
	reason  string
	applies func(Configuration) bool
	excuses func(k *knowledge, c Call, m mismatch) bool
}

// intendedDifferences is the whole list of mismatches that are not failures.
var intendedDifferences = []difference{
	{
		reason:  "statfs(2) names the file system type: FUSE, not tmpfs",
		applies: isShmfs,
		excuses: func(_ *knowledge, c Call, m mismatch) bool { return c.Operation == "statfs" && m.field == "type" },
	},
	{
		reason:  "the FUSE protocol carries no stx_attributes_mask",
		applies: isShmfs,
		excuses: func(_ *knowledge, c Call, m mismatch) bool {
			return c.Operation == "statx" && m.field == "attributes mask"
		},
	},
	{
		reason:  "without passthrough the daemon hears of mapped stores only when the kernel writes the pages back: times follow then",
		applies: isCached,
		excuses: func(k *knowledge, _ Call, m mismatch) bool {
			return k.dirty[m.inode] && (strings.Contains(m.field, "time") || strings.Contains(m.field, "≤"))
		},
	},
	{
		reason:  "tmpfs allocates a page when a mapping touches it, even to read; without passthrough the touched page is the kernel's copy",
		applies: isCached,
		excuses: func(k *knowledge, _ Call, m mismatch) bool { return k.everMapped[m.inode] && m.field == "blocks" },
	},
	{
		reason: "the kernel keeps O_NOATIME of a FUSE file as it was at open, does not ask about reads of nothing, and without " +
			"passthrough reads and maps its own pages: access times move a little more or less often (TestConformance checks them)",
		applies: isShmfs,
		excuses: func(_ *knowledge, _ Call, m mismatch) bool { return strings.Contains(m.field, "access time") },
	},
	{
		reason: "a mapping holds the backing file open and not the client's, so flock and open-file-description locks end with the " +
			"last descriptor although it is mapped",
		applies: isShmfs,
		excuses: func(k *knowledge, c Call, _ mismatch) bool {
			locks := c.Operation == "flock" || c.Operation == "record lock"
			return locks && k.everMapped[k.files[c.Worker][c.File].inode]
		},
	},
}

// avoidance is a call that is not made, or made smaller, because it would run into an intended difference whose effects would
// spread through the rest of the case.
type avoidance struct {
	reason  string
	applies func(Configuration) bool
	adjust  func(k *knowledge, c Call) (Call, bool) // false: not made
}

var avoidances = []avoidance{
	{
		reason: "growing a file shows zeros past its old end, where tmpfs shows what mappings scribbled there: nothing is stored " +
			"through a shared mapping past the end of a file within its last page",
		applies: always,
		adjust: func(k *knowledge, c Call) (Call, bool) {
			if c.Operation != "store" || !k.areas[c.Worker][c.Area].shared {
				return c, true
			}
			rest, inTail := k.inFile(c.Worker, c.Area, c.Offset)
			if rest > 0 {
				c.Length = min(c.Length, rest)
			}
			return c, !inTail
		},
	},
	{
		reason: "POSIX leaves it open how far a read or write comes, and what it does to the file, when its buffer is not accessible or " +
			"is not needed as a whole: a mapping used as a buffer is accessible and inside its file, and the file read is long enough",
		applies: always,
		adjust:  insideBuffer,
	},
	{
		reason:  "what a transfer leaves behind is unspecified when source and destination overlap",
		applies: always,
		adjust:  func(k *knowledge, c Call) (Call, bool) { return c, !k.overlaps(c) },
	},
	{
		reason: "the kernel clears setuid and setgid of a FUSE file before it asks whether the mode of fallocate(2) is served: ordinary " +
			"users do not try to zero a range, which both refuse",
		applies: isShmfs,
		adjust: func(_ *knowledge, c Call) (Call, bool) {
			return c, c.Operation != "fallocate" || c.Worker == rootWorker || c.Flags&unix.FALLOC_FL_ZERO_RANGE == 0
		},
	},
	{
		reason: "the kernel lets anybody change the owner of a FUSE file to who it is, with whatever that clears: ordinary users do " +
			"not try on a file that may not be theirs",
		applies: isShmfs,
		adjust: func(_ *knowledge, c Call) (Call, bool) {
			changes := c.Operation == "fchownat" || c.Operation == "fchown"
			return c, !changes || c.Worker == rootWorker || c.User != -1 || c.Group != -1
		},
	},
	{
		reason:  "without passthrough SEEK_DATA and SEEK_HOLE do not see pages that only a mapping has touched or written",
		applies: isCached,
		adjust: func(k *knowledge, c Call) (Call, bool) {
			seeks := c.Operation == "lseek" && (c.Flags == unix.SEEK_DATA || c.Flags == unix.SEEK_HOLE)
			return c, !seeks || !k.everMapped[k.files[c.Worker][c.File].inode]
		},
	},
}

// rootWorker is the worker that is root.
const rootWorker = 0

func always(Configuration) bool              { return true }
func isShmfs(configured Configuration) bool  { return !configured.Tmpfs }
func isCached(configured Configuration) bool { return configured.Cached }

// unexcused leaves the mismatches that are failures.
func unexcused(configured Configuration, k *knowledge, c Call, found []mismatch) []mismatch {
	var failures []mismatch
	for _, each := range found {
		if !excused(configured, k, c, each) {
			failures = append(failures, each)
		}
	}
	return failures
}

func excused(configured Configuration, k *knowledge, c Call, m mismatch) bool {
	for _, each := range intendedDifferences {
		if each.applies(configured) && each.excuses(k, c, m) {
			return true
		}
	}
	return false
}

// adjusted is the call as it is made, or false if it is not made at all.
func adjusted(configured Configuration, k *knowledge, c Call) (Call, bool) {
	for _, each := range avoidances {
		if !each.applies(configured) {
			continue
		}
		var made bool
		if c, made = each.adjust(k, c); !made {
			return c, false
		}
	}
	return c, true
}

// insideBuffer cuts a read into or a write from a mapping to what is certain to be transferred, if anything is.
func insideBuffer(k *knowledge, c Call) (Call, bool) {
	needed := unix.PROT_READ
	switch c.Operation {
	case "write from mapping":
	case "read into mapping":
		needed |= unix.PROT_WRITE
		c.Length = min(c.Length, k.sizes[k.files[c.Worker][c.File].inode]-c.Offset2)
	default:
		return c, true
	}
	area := &k.areas[c.Worker][c.Area]
	rest, _ := k.inFile(c.Worker, c.Area, c.Offset)
	c.Length = min(c.Length, rest, area.length-c.Offset)
	return c, c.Length > 0 && area.allows(c.Offset, c.Length, needed)
}

// overlaps tells whether the call transfers bytes between overlapping parts of one file.
func (k *knowledge) overlaps(c Call) bool {
	files := k.files[c.Worker]
	switch c.Operation {
	case "sendfile":
		return files[c.File].inode == files[c.Other].inode
	case "write from mapping", "read into mapping":
		area := k.areas[c.Worker][c.Area]
		apart := area.offset + c.Offset - c.Offset2
		return area.inode == files[c.File].inode && apart < c.Length && -apart < c.Length
	}
	return false
}
