package fs

// optionEntry is one entry of the table that the parser works from: either a flag, or parse with an example of its value.
type optionEntry struct {
	name    string
	live    bool // may change while mounted
	flag    func(*Options)
	parse   func(*Options, string) error
	example string
}

// optionTable lists every option that is understood.
var optionTable = []optionEntry{
	{name: "size", live: true, parse: parseSize, example: "1G"},
	{name: "nr_inodes", live: true, parse: parseInodes, example: "100K"},
	{name: "quota-uid", live: true, parse: parseQuotaBytes, example: "1G"},
	{name: "quota-objects", live: true, parse: parseQuotaObjects, example: "10K"},
	{name: "mode", parse: parseMode, example: "1777"},
	{name: "uid", parse: parseUID, example: "1000"},
	{name: "gid", parse: parseGID, example: "1000"},
	{name: "huge", live: true, parse: parseHuge, example: "within_size"},
	{name: "commit", parse: parseCommit, example: "strict"},
	{name: "store", parse: parseStore, example: "/var/lib/shmfs"},
	{name: "passthrough", parse: parsePassthrough, example: "auto"},
	{name: "require-passthrough", flag: func(o *Options) { o.RequirePassthrough = true }},
	{name: "allow_other", flag: func(o *Options) { o.AllowOther = true }},
	{name: "noallow_other", flag: func(o *Options) { o.AllowOther = false }},
	{name: "fsname", parse: parseFSName, example: "shmfs"},
	{name: "limit-handles", live: true, parse: parseLimit("limit-handles", func(o *Options) *int64 { return &o.LimitHandles }), example: "10K"},
	{name: "limit-waiters", live: true, parse: parseLimit("limit-waiters", func(o *Options) *int64 { return &o.LimitWaiters }), example: "1000"},
	{name: "limit-readers", live: true, parse: parseLimit("limit-readers", func(o *Options) *int64 { return &o.LimitReaders }), example: "10"},
	{name: "limit-requests", live: true, parse: parseLimit("limit-requests", func(o *Options) *int64 { return &o.LimitRequests }), example: "16"},
	{name: "ro", live: true, flag: func(o *Options) { o.ReadOnly = true }},
	{name: "rw", live: true, flag: func(o *Options) { o.ReadOnly = false }},
	{name: "noexec", live: true, flag: func(o *Options) { o.NoExec = true }},
	{name: "exec", live: true, flag: func(o *Options) { o.NoExec = false }},
	// Always so for this file system.
	generalOption("nosuid"), generalOption("nodev"), generalOption("default_permissions"), generalOption("inode64"),
	// Of no effect on memory, or meant for mount(8) and those who read its table.
	generalOption("defaults"), generalOption("async"), generalOption("nomand"), generalOption("silent"),
	generalOption("loud"), generalOption("auto"), generalOption("noauto"), generalOption("nofail"),
	generalOption("_netdev"), generalOption("nouser"),
	// The store keeps access times; the kernel keeps none of its own for a FUSE mount.
	generalOption("atime"), generalOption("noatime"), generalOption("relatime"), generalOption("norelatime"),
	generalOption("strictatime"), generalOption("nostrictatime"), generalOption("lazytime"), generalOption("nolazytime"),
	generalOption("diratime"), generalOption("nodiratime"),
}

// refusedOptions lists options that other file systems have and this one cannot honour, with the reason.
var refusedOptions = map[string]string{
	"suid":      "set-user-ID programs never gain rights from shared memory (the mount is always nosuid): leave it out",
	"dev":       "device nodes are never usable in shared memory (the mount is always nodev): leave it out",
	"user":      "an ordinary user mounts with the command shmfs mount in a directory of their own: leave it out",
	"users":     "an ordinary user mounts with the command shmfs mount in a directory of their own: leave it out",
	"sync":      "writes reach a disk store when fsync or msync asks for it: leave it out",
	"dirsync":   "writes reach a disk store when fsync or msync asks for it: leave it out",
	"mand":      "the kernel has no mandatory locks any more: leave it out",
	"nr_blocks": "give the limit in bytes with size=",
	"noswap":    "swapping is the machine's policy here: leave it out",
	"mpol":      "a process sets the memory policy of its mapping with mbind(2): leave it out",
	"inode32":   "inode numbers always have 64 bits: leave it out",
}

// generalOption is an option that mount(8) may pass and that asks for what is the case anyway.
func generalOption(name string) optionEntry {
	return optionEntry{name: name, live: true, flag: func(*Options) {}}
}

func optionNamed(name string) (optionEntry, bool) {
	for _, known := range optionTable {
		if known.name == name {
			return known, true
		}
	}
	return optionEntry{}, false
}

// unknownOptionError names the known option that looks most like a name that is none.
func unknownOptionError(name string) *OptionError {
	names := make([]string, len(optionTable))
	for i, known := range optionTable {
		names[i] = known.name
	}
	return &OptionError{Option: name, Problem: unknownOption, Nearest: nearestName(name, names)}
}
