package conformance

// tests is the conformance map. The subjects have a file each, or two.
var tests = joined(map[string]map[string]test{
	"create":     createTests,
	"io":         ioTests,
	"rename":     renameTests,
	"unlink":     unlinkTests,
	"symlink":    symlinkTests,
	"attribute":  attributeTests,
	"time":       timeTests,
	"link":       linkTests,
	"directory":  directoryTests,
	"readdir":    readdirTests,
	"xattr":      xattrTests,
	"fallocate":  fallocateTests,
	"seek":       seekTests,
	"statfs":     statfsTests,
	"lock":       lockTests,
	"splice":     spliceTests,
	"name":       nameTests,
	"special":    specialTests,
	"mmap":       mmapTests,
	"memory":     memoryTests,
	"truncate":   truncateTests,
	"permission": permissionTests,
	"race":       raceTests,
	"handle":     handleTests,
	"tmpfile":    tmpfileTests,
})

// mountTests need mounts with options of their own: limits and mounting, joined under full names.
var mountTests = joined(map[string]map[string]mountTest{
	"limit":    limitTests,
	"mounting": mountingTests,
})
