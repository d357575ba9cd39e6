package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

var attributeTests = map[string]test{
	"every mode bit by chmod":                    attributeModes,
	"chmod by descriptor and by path descriptor": attributeChmodForms,
	"chmod moves ctime only":                     attributeChmodStamps,
	"chmod by others":                            attributeChmodOthers,
	"chmod outside the group drops set-group-id": attributeChmodGroup,
	"chown":                                     attributeChown,
	"chown drops set-id bits":                   attributeChownDrops,
	"chown by the owner":                        attributeChownOwner,
	"write drops set-id bits":                   attributeWriteDrops,
	"write by root keeps set-id bits":           attributeWriteRoot,
	"truncate drops set-id bits":                attributeTruncateDrops,
	"set-group-id directories":                  attributeSetGroupDirectory,
	"set-group-id of files in such a directory": attributeSetGroupFile,
	"st_blocks":                                 attributeBlocks,
	"stat by every way":                         attributeStatWays,
	"statx":                                     attributeStatx,
	"birth time":                                attributeBirth,
	"inode flags":                               attributeFlags,
	"at once through every descriptor":          attributeAtOnce,
	"missing and bad paths":                     attributeMissing,
	"capabilities go with a write":              attributeCapability,
	"access control lists":                      attributeLists,
}

func attributeModes(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	mkdir(t, dir+"/d", 0o755)
	for mode := uint32(0); mode <= 0o7777; mode += 0o111 {
		for name, kind := range map[string]uint32{"/f": unix.S_IFREG, "/d": unix.S_IFDIR} {
			ok(t, unix.Chmod(dir+name, mode), "chmod to %#o", mode)
			modeIs(t, stat(t, dir+name), kind|mode, "after chmod to %#o", mode)
		}
	}
	ok(t, unix.Chmod(dir+"/f", 0o170644), "chmod with type bits, which count for nothing")
	modeIs(t, stat(t, dir+"/f"), unix.S_IFREG|0o644, "after chmod with type bits")
	ok(t, unix.Chmod(dir+"/d", 0o755), "chmod")
}

func attributeChmodForms(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	ok(t, unix.Fchmod(f.fd, 0o640), "fchmod")
	modeIs(t, f.stat(t), unix.S_IFREG|0o640, "after fchmod")
	d := openDirectory(t, dir)
	ok(t, unix.Fchmodat(d.fd, "f", 0o604, 0), "fchmodat")
	modeIs(t, f.stat(t), unix.S_IFREG|0o604, "after fchmodat")
	p := open(t, dir+"/f", pathDescriptor, 0)
	fails(t, unix.EBADF, unix.Fchmod(p.fd, 0o600), "fchmod of a path descriptor")
	ok(t, unix.Chmod(self(p), 0o600), "chmod through /proc")
	modeIs(t, f.stat(t), unix.S_IFREG|0o600, "after chmod through /proc")
	r := open(t, dir+"/f", unix.O_RDONLY, 0)
	ok(t, unix.Fchmod(r.fd, 0o611), "fchmod of a descriptor for reading")
	modeIs(t, f.stat(t), unix.S_IFREG|0o611, "after that")
}

func attributeChmodStamps(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	before, parent := f.stat(t), stat(t, dir)
	tick(t)
	ok(t, unix.Chmod(dir+"/f", 0o600), "chmod")
	after := f.stat(t)
	isTrue(t, after.Ctim.Nano() > before.Ctim.Nano(), "chmod moves ctime")
	equal(t, after.Mtim, before.Mtim, "mtime")
	equal(t, after.Atim, before.Atim, "atime")
	equal(t, stat(t, dir), parent, "the parent")
	tick(t)
	ok(t, unix.Chmod(dir+"/f", 0o600), "chmod to the same mode")
	isTrue(t, nanos(f.stat(t).Ctim) > after.Ctim.Nano(), "chmod to the same mode moves ctime too")
}

func attributeChmodOthers(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o666)
	attributeChmodOthersStep.run(t, alice, dir)
	modeIs(t, stat(t, dir+"/f"), unix.S_IFREG|0o666, "after the refusals")
	equal(t, stat(t, dir+"/f").Uid, 0, "owner after the refusals")
}

var attributeChmodOthersStep = newStep("change what another owns", func(p *process, arguments []string) {
	path := arguments[0] + "/f"
	f := open(p, path, unix.O_RDWR, 0)
	fails(p, unix.EPERM, unix.Chmod(path, 0o777), "chmod of another's file")
	fails(p, unix.EPERM, unix.Fchmod(f.fd, 0o777), "fchmod of another's file")
	fails(p, unix.EPERM, unix.Chown(path, int(alice.uid), -1), "chown of another's file")
	fails(p, unix.EPERM, unix.Fchown(f.fd, -1, int(alice.gid)), "fchown of another's file")
	fails(p, unix.EPERM, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0), "utimensat")
	ok(p, unix.UtimesNanoAt(unix.AT_FDCWD, path, nil, 0), "utimensat to now of a file that may be written")
	fails(p, unix.EPERM, unix.Chmod(arguments[0], 0o700), "chmod of another's directory")
})

func attributeChmodGroup(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	ok(t, unix.Chown(dir+"/f", int(alice.uid), int(bob.gid)), "chown")
	attributeChmodGroupStep.run(t, alice, dir)
	modeIs(t, stat(t, dir+"/f"), unix.S_IFREG|0o4755, "set-group-id dropped, set-user-id kept")
	member := identity{uid: alice.uid, gid: alice.gid, groups: []uint32{bob.gid}}
	attributeChmodGroupStep.run(t, member, dir)
	modeIs(t, stat(t, dir+"/f"), unix.S_IFREG|0o6755, "set-group-id kept for a member")
}

var attributeChmodGroupStep = newStep("chmod to 6755", func(p *process, arguments []string) {
	ok(p, unix.Chmod(arguments[0]+"/f", 0o6755), "chmod")
})

func attributeChown(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	before := f.stat(t)
	tick(t)
	ok(t, unix.Chown(dir+"/f", 100, 200), "chown")
	s := f.stat(t)
	equal(t, s.Uid, 100, "owner")
	equal(t, s.Gid, 200, "group")
	isTrue(t, s.Ctim.Nano() > before.Ctim.Nano(), "chown moves ctime")
	equal(t, s.Mtim, before.Mtim, "mtime")
	ok(t, unix.Fchown(f.fd, -1, 300), "fchown of the group")
	equal(t, f.stat(t).Uid, 100, "owner")
	equal(t, f.stat(t).Gid, 300, "group")
	ok(t, unix.Chown(dir+"/f", 400, -1), "chown of the owner")
	equal(t, f.stat(t).Uid, 400, "owner")
	equal(t, f.stat(t).Gid, 300, "group")
	ok(t, unix.Chown(dir+"/f", 1<<31+5, 1<<32-2), "chown to large ids")
	equal(t, f.stat(t).Uid, 1<<31+5, "owner")
	equal(t, f.stat(t).Gid, 1<<32-2, "group")
	ok(t, unix.Chown(dir+"/f", -1, -1), "chown to nothing")
}

func attributeChownDrops(t *testing.T, dir string) {
	for _, c := range []struct{ mode, want uint32 }{{0o6755, 0o755}, {0o4755, 0o755}, {0o2755, 0o755}, {0o2745, 0o2745}, {0o6644, 0o2644}} {
		path := dir + "/" + itoa(int(c.mode))
		touch(t, path, c.mode)
		ok(t, unix.Chown(path, 5, 5), "chown of a file of mode %#o", c.mode)
		modeIs(t, stat(t, path), unix.S_IFREG|c.want, "after chown from %#o", c.mode)
	}
	mkdir(t, dir+"/d", 0o755)
	ok(t, unix.Chmod(dir+"/d", 0o6755), "chmod")
	ok(t, unix.Chown(dir+"/d", 5, 5), "chown of a directory")
	modeIs(t, stat(t, dir+"/d"), unix.S_IFDIR|0o6755, "a directory keeps them")
	touch(t, dir+"/same", 0o4755)
	ok(t, unix.Chown(dir+"/same", -1, -1), "chown to nothing")
	modeIs(t, stat(t, dir+"/same"), unix.S_IFREG|0o755, "chown to nothing drops them too")
}

func attributeChownOwner(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	ok(t, unix.Chown(dir+"/f", int(alice.uid), int(alice.gid)), "chown")
	attributeChownOwnerStep.run(t, identity{uid: alice.uid, gid: alice.gid, groups: []uint32{5001}}, dir)
	equal(t, stat(t, dir+"/f").Gid, 5001, "group")
}

var attributeChownOwnerStep = newStep("give away an own file", func(p *process, arguments []string) {
	path := arguments[0] + "/f"
	fails(p, unix.EPERM, unix.Chown(path, int(bob.uid), -1), "giving the file away")
	fails(p, unix.EPERM, unix.Chown(path, -1, int(bob.gid)), "to a group one is not in")
	ok(p, unix.Chown(path, int(alice.uid), 5001), "to a supplementary group")
})

func attributeWriteDrops(t *testing.T, dir string) {
	for _, c := range []struct{ mode, want uint32 }{{0o6777, 0o777}, {0o4666, 0o666}, {0o2777, 0o777}, {0o2666, 0o666}} {
		path := dir + "/" + itoa(int(c.mode))
		touch(t, path, c.mode)
		attributeWriteStep.run(t, alice, path)
		modeIs(t, stat(t, path), unix.S_IFREG|c.want, "after a write to %#o", c.mode)
	}
}

var attributeWriteStep = newStep("write a byte", func(p *process, arguments []string) {
	open(p, arguments[0], unix.O_WRONLY, 0).write(p, 0, []byte("x"))
})

func attributeWriteRoot(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o6777)
	attributeWriteStep.run(t, root, dir+"/f")
	modeIs(t, stat(t, dir+"/f"), unix.S_IFREG|0o6777, "after root's write")
}

func attributeTruncateDrops(t *testing.T, dir string) {
	for i, by := range []string{"truncate", "ftruncate", "O_TRUNC", "fallocate"} {
		path := dir + "/" + itoa(i)
		touch(t, path, 0o6777)
		attributeTruncateStep.run(t, alice, path, by)
		modeIs(t, stat(t, path), unix.S_IFREG|0o777, "after %s", by)
	}
}

var attributeTruncateStep = newStep("truncate", func(p *process, arguments []string) {
	switch path := arguments[0]; arguments[1] {
	case "truncate":
		ok(p, unix.Truncate(path, 10), "truncate")
	case "ftruncate":
		open(p, path, unix.O_WRONLY, 0).truncate(p, 10)
	case "fallocate":
		ok(p, unix.Fallocate(open(p, path, unix.O_WRONLY, 0).fd, 0, 0, 10), "fallocate")
	default:
		open(p, path, unix.O_WRONLY|unix.O_TRUNC, 0)
	}
})
