package meter

// Kind is a kind of request: FUSE's number of the operation. Unknown stands for those that are not in the list.
type Kind uint8

const (
	Unknown       Kind = 0
	Lookup        Kind = 1
	Forget        Kind = 2
	Getattr       Kind = 3
	Setattr       Kind = 4
	Readlink      Kind = 5
	Symlink       Kind = 6
	Mknod         Kind = 8
	Mkdir         Kind = 9
	Unlink        Kind = 10
	Rmdir         Kind = 11
	Rename        Kind = 12
	Link          Kind = 13
	Open          Kind = 14
	Read          Kind = 15
	Write         Kind = 16
	Statfs        Kind = 17
	Release       Kind = 18
	Fsync         Kind = 20
	Setxattr      Kind = 21
	Getxattr      Kind = 22
	Listxattr     Kind = 23
	Removexattr   Kind = 24
	Flush         Kind = 25
	Init          Kind = 26
	Opendir       Kind = 27
	Readdir       Kind = 28
	Releasedir    Kind = 29
	Fsyncdir      Kind = 30
	Getlk         Kind = 31
	Setlk         Kind = 32
	Setlkw        Kind = 33
	Access        Kind = 34
	Create        Kind = 35
	Interrupt     Kind = 36
	Bmap          Kind = 37
	Destroy       Kind = 38
	Ioctl         Kind = 39
	Poll          Kind = 40
	NotifyReply   Kind = 41
	BatchForget   Kind = 42
	Fallocate     Kind = 43
	Readdirplus   Kind = 44
	Rename2       Kind = 45
	Lseek         Kind = 46
	CopyFileRange Kind = 47
	Setupmapping  Kind = 48
	Removemapping Kind = 49
	Syncfs        Kind = 50
	Tmpfile       Kind = 51
	Statx         Kind = 52

	kinds = Statx + 1
)

var kindNames = [kinds]string{
	Unknown: "unknown", Lookup: "lookup", Forget: "forget", Getattr: "getattr", Setattr: "setattr", Readlink: "readlink",
	Symlink: "symlink", Mknod: "mknod", Mkdir: "mkdir", Unlink: "unlink", Rmdir: "rmdir", Rename: "rename", Link: "link",
	Open: "open", Read: "read", Write: "write", Statfs: "statfs", Release: "release", Fsync: "fsync", Setxattr: "setxattr",
	Getxattr: "getxattr", Listxattr: "listxattr", Removexattr: "removexattr", Flush: "flush", Init: "init", Opendir: "opendir",
	Readdir: "readdir", Releasedir: "releasedir", Fsyncdir: "fsyncdir", Getlk: "getlk", Setlk: "setlk", Setlkw: "setlkw",
	Access: "access", Create: "create", Interrupt: "interrupt", Bmap: "bmap", Destroy: "destroy", Ioctl: "ioctl", Poll: "poll",
	NotifyReply: "notify_reply", BatchForget: "batch_forget", Fallocate: "fallocate", Readdirplus: "readdirplus",
	Rename2: "rename2", Lseek: "lseek", CopyFileRange: "copy_file_range", Setupmapping: "setupmapping",
	Removemapping: "removemapping", Syncfs: "syncfs", Tmpfile: "tmpfile", Statx: "statx",
}

// KindOf returns the kind with FUSE's number of an operation.
func KindOf(opcode uint32) Kind {
	if opcode >= uint32(kinds) || kindNames[opcode] == "" {
		return Unknown
	}
	return Kind(opcode)
}

// String is FUSE's name of the operation, in lower case.
func (k Kind) String() string { return kindNames[KindOf(uint32(k))] }
