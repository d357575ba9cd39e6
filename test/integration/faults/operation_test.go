package faults

import "slices"

// operation is one of the things that a client does.
type operation struct {
	name   string
	weight int // how often, among all
	run    func(*client)
	meets  bool // it takes semaphores, which a plain tmpfs does not have
}

// operations is all of them.
var operations = []operation{
	{"create", 8, (*client).create, false},
	{"open", 6, (*client).openExisting, false},
	{"unnamed", 2, (*client).createUnnamed, false},
	{"name", 2, (*client).nameUnnamed, false},
	{"mkdir", 3, (*client).mkdir, false},
	{"mknod", 2, (*client).mknod, false},
	{"symlink", 3, (*client).symlink, false},
	{"link", 4, (*client).link, false},
	{"rename", 8, (*client).rename, false},
	{"unlink", 6, (*client).unlink, false},
	{"rmdir", 2, (*client).rmdir, false},
	{"list", 2, (*client).list, false},
	{"write", 10, (*client).write, false},
	{"read", 8, (*client).read, false},
	{"append", 5, (*client).appendTo, false},
	{"truncate", 5, (*client).truncate, false},
	{"allocate", 4, (*client).allocate, false},
	{"map", 4, (*client).mapFile, false},
	{"store", 8, (*client).store, false},
	{"unmap", 2, (*client).unmapSome, false},
	{"close", 6, (*client).closeSome, false},
	{"chmod", 3, (*client).chmod, false},
	{"chown", 2, (*client).chown, false},
	{"times", 3, (*client).setTimes, false},
	{"setxattr", 5, (*client).setAttribute, false},
	{"removexattr", 3, (*client).removeAttribute, false},
	{"lock", 4, (*client).lock, false},
	{"journal", 4, (*client).appendToJournal, false},
	{"count", 3, (*client).countBehindLock, false},
	{"own-name", 3, (*client).ownName, false},
	{"post", 4, (*client).post, true},
	{"take", 4, (*client).take, true},
	{"set", 1, (*client).set, true},
	{"hold", 3, (*client).hold, true},
	{"wait", 3, (*client).await, true},
	{"timeout", 1, (*client).timeOut, true},
	{"poll", 3, (*client).poll, true},
	{"memory", 4, (*client).useMemory, true},
	{"unit", 4, (*client).useUnit, true},
	{"semaphore", 1, (*client).createSemaphore, true},
	{"orphan", 1, (*client).orphanSemaphore, true},
}

// needed are the operations that others need to have something to work on.
var needed = []string{"create", "open", "mkdir", "write", "map"}

// choose picks an operation.
func (c *client) choose() *operation {
	if c.Only != "" {
		name := c.Only
		if c.chance(2) {
			name = pick(c, needed)
		}
		at := slices.IndexFunc(operations, func(o operation) bool { return o.name == name })
		return &operations[at]
	}
	total := 0
	for i := range operations {
		total += operations[i].weightFor(c.Plain)
	}
	at := c.random.IntN(total)
	for i := range operations {
		if at -= operations[i].weightFor(c.Plain); at < 0 {
			return &operations[i]
		}
	}
	panic("unreachable")
}

// weightFor is how often an operation is done on a plain tmpfs, or on shmfs.
func (o *operation) weightFor(plain bool) int {
	if o.meets && plain {
		return 0
	}
	return o.weight
}
