package differential

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// flagName names one flag (or, with a mask, one value of a field of flags) for reports.
type flagName struct {
	flag int
	name string
}

var openFlagNames = []flagName{
	{unix.O_TMPFILE, "O_TMPFILE"}, {unix.O_CREAT, "O_CREAT"}, {unix.O_EXCL, "O_EXCL"}, {unix.O_TRUNC, "O_TRUNC"},
	{unix.O_APPEND, "O_APPEND"}, {unix.O_DIRECT, "O_DIRECT"}, {unix.O_NOFOLLOW, "O_NOFOLLOW"},
	{unix.O_DIRECTORY, "O_DIRECTORY"}, {unix.O_PATH, "O_PATH"}, {unix.O_SYNC, "O_SYNC"}, {unix.O_DSYNC, "O_DSYNC"},
	{unix.O_NOATIME, "O_NOATIME"}, {unix.O_NONBLOCK, "O_NONBLOCK"}, {unix.O_LARGEFILE, "O_LARGEFILE"},
}

var fallocateFlagNames = []flagName{
	{unix.FALLOC_FL_KEEP_SIZE, "FALLOC_FL_KEEP_SIZE"}, {unix.FALLOC_FL_PUNCH_HOLE, "FALLOC_FL_PUNCH_HOLE"},
	{unix.FALLOC_FL_ZERO_RANGE, "FALLOC_FL_ZERO_RANGE"}, {unix.FALLOC_FL_COLLAPSE_RANGE, "FALLOC_FL_COLLAPSE_RANGE"},
	{unix.FALLOC_FL_INSERT_RANGE, "FALLOC_FL_INSERT_RANGE"}, {unix.FALLOC_FL_UNSHARE_RANGE, "FALLOC_FL_UNSHARE_RANGE"},
}

var atFlagNames = []flagName{
	{unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"}, {unix.AT_SYMLINK_FOLLOW, "AT_SYMLINK_FOLLOW"},
	{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"}, {unix.AT_STATX_FORCE_SYNC, "AT_STATX_FORCE_SYNC"},
}

var accessFlagNames = []flagName{
	{unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"}, {unix.AT_EACCESS, "AT_EACCESS"},
}

var renameFlagNames = []flagName{
	{unix.RENAME_NOREPLACE, "RENAME_NOREPLACE"}, {unix.RENAME_EXCHANGE, "RENAME_EXCHANGE"}, {unix.RENAME_WHITEOUT, "RENAME_WHITEOUT"},
}

var protectionNames = []flagName{
	{unix.PROT_READ, "PROT_READ"}, {unix.PROT_WRITE, "PROT_WRITE"}, {unix.PROT_EXEC, "PROT_EXEC"},
}

var syncFlagNames = []flagName{{unix.MS_ASYNC, "MS_ASYNC"}, {unix.MS_SYNC, "MS_SYNC"}, {unix.MS_INVALIDATE, "MS_INVALIDATE"}}

var vectorFlagNames = []flagName{{unix.RWF_APPEND, "RWF_APPEND"}, {unix.RWF_DSYNC, "RWF_DSYNC"}, {unix.RWF_SYNC, "RWF_SYNC"}}

var xattrFlagNames = []flagName{{unix.XATTR_CREATE, "XATTR_CREATE"}, {unix.XATTR_REPLACE, "XATTR_REPLACE"}}

// flagText writes flags as C would.
func flagText(flags int, names []flagName) string {
	var words []string
	for _, each := range names {
		if each.flag != 0 && flags&each.flag == each.flag {
			words = append(words, each.name)
			flags &^= each.flag
		}
	}
	if flags != 0 || len(words) == 0 {
		words = append(words, fmt.Sprintf("%#x", flags))
	}
	return strings.Join(words, "|")
}

// openText is flagText for open(2)'s flags, whose lowest bits are a value.
func openText(flags int) string {
	mode := []string{"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"}[flags&unix.O_ACCMODE]
	if rest := flags &^ unix.O_ACCMODE; rest != 0 {
		return mode + "|" + flagText(rest, openFlagNames)
	}
	return mode
}

// choice names a value drawn from a list.
func choiceText(value int, names []flagName) string {
	for _, each := range names {
		if each.flag == value {
			return each.name
		}
	}
	return fmt.Sprint(value)
}

var whenceNames = []flagName{
	{unix.SEEK_SET, "SEEK_SET"}, {unix.SEEK_CUR, "SEEK_CUR"}, {unix.SEEK_END, "SEEK_END"}, {unix.SEEK_DATA, "SEEK_DATA"},
	{unix.SEEK_HOLE, "SEEK_HOLE"},
}

var adviceNames = []flagName{
	{unix.MADV_DONTNEED, "MADV_DONTNEED"}, {unix.MADV_REMOVE, "MADV_REMOVE"}, {unix.MADV_WILLNEED, "MADV_WILLNEED"},
	{unix.MADV_POPULATE_READ, "MADV_POPULATE_READ"}, {unix.MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE"},
	{unix.MADV_FREE, "MADV_FREE"}, {unix.MADV_COLD, "MADV_COLD"}, {unix.MADV_PAGEOUT, "MADV_PAGEOUT"},
}

var lockNames = []flagName{
	{unix.LOCK_SH, "LOCK_SH"}, {unix.LOCK_EX, "LOCK_EX"}, {unix.LOCK_UN, "LOCK_UN"},
}

var recordLockNames = []flagName{{unix.F_RDLCK, "F_RDLCK"}, {unix.F_WRLCK, "F_WRLCK"}, {unix.F_UNLCK, "F_UNLCK"}}

var lockCommandNames = []flagName{
	{unix.F_SETLK, "F_SETLK"}, {unix.F_GETLK, "F_GETLK"}, {unix.F_OFD_SETLK, "F_OFD_SETLK"}, {unix.F_OFD_GETLK, "F_OFD_GETLK"},
}
