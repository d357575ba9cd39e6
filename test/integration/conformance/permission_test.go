package conformance

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

var permissionTests = map[string]test{
	"classes of users":                permissionClasses,
	"directories":                     permissionDirectories,
	"sticky directories":              permissionSticky,
	"access and faccessat":            permissionAccess,
	"changed while open":              permissionOpen,
	"execution":                       permissionExecute,
	"O_NOATIME is the owner's":        permissionNoAtime,
	"taken away takes effect at once": permissionAtOnce,
	"root passes":                     permissionRoot,
}

func permissionClasses(t *testing.T, dir string) {
	member := identity{uid: bob.uid, gid: bob.gid, groups: []uint32{alice.gid}}
	for mode, want := range map[uint32][3][2]string{
		0o600: {{"success", "success"}, {"EACCES", "EACCES"}, {"EACCES", "EACCES"}},
		0o640: {{"success", "success"}, {"success", "EACCES"}, {"EACCES", "EACCES"}},
		0o066: {{"EACCES", "EACCES"}, {"success", "success"}, {"success", "success"}},
		0o604: {{"success", "success"}, {"EACCES", "EACCES"}, {"success", "EACCES"}},
		0o222: {{"EACCES", "success"}, {"EACCES", "success"}, {"EACCES", "success"}},
	} {
		path := dir + "/" + octal(mode)
		touch(t, path, mode)
		ok(t, unix.Chown(path, int(alice.uid), int(alice.gid)), "chown")
		accessStep.run(t, alice, path, want[0][0], want[0][1])
		accessStep.run(t, member, path, want[1][0], want[1][1])
		accessStep.run(t, bob, path, want[2][0], want[2][1])
	}
}

func permissionDirectories(t *testing.T, dir string) {
	for name, mode := range map[string]uint32{"/read": 0o744, "/search": 0o711, "/write": 0o733, "/none": 0o700} {
		mkdir(t, dir+name, 0o755)
		touch(t, dir+name+"/f", 0o666)
		ok(t, unix.Chmod(dir+name, mode), "chmod")
	}
	permissionDirectoriesStep.run(t, alice, dir)
}

var permissionDirectoriesStep = newStep("reach into directories", func(p *process, arguments []string) {
	dir := arguments[0]
	var s unix.Stat_t
	for name, want := range map[string][4]string{ // stat of an entry, listing, creating, removing
		"/read":   {"EACCES", "success", "EACCES", "EACCES"},
		"/search": {"success", "EACCES", "EACCES", "EACCES"},
		"/write":  {"success", "EACCES", "success", "success"},
		"/none":   {"EACCES", "EACCES", "EACCES", "EACCES"},
	} {
		equal(p, errnoName(unix.Stat(dir+name+"/f", &s)), want[0], "stat in %s", name)
		fd, err := unix.Open(dir+name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		equal(p, errnoName(err), want[1], "opening %s", name)
		equal(p, errnoName(unix.Mkdir(dir+name+"/d", 0o755)), want[2], "mkdir in %s", name)
		equal(p, errnoName(unix.Symlink("x", dir+name+"/l")), want[2], "symlink in %s", name)
		equal(p, errnoName(unix.Mkfifo(dir+name+"/p", 0o644)), want[2], "mkfifo in %s", name)
		equal(p, errnoName(unix.Rename(dir+name+"/f", dir+name+"/g")), want[3], "rename in %s", name)
	}
})

func permissionSticky(t *testing.T, dir string) {
	mkdir(t, dir+"/s", 0o1777)
	modeIs(t, stat(t, dir+"/s"), unix.S_IFDIR|0o1777, "the directory")
	createEverythingStep.run(t, alice, dir+"/s")
	stickyStep.run(t, bob, dir+"/s")
	names(t, dir+"/s", "d", "f", "own")
	ownsStickyStep.run(t, alice, dir+"/s")
	names(t, dir+"/s", "own")
	createEverythingStep.run(t, alice, dir+"/s")
	ok(t, unix.Chown(dir+"/s", int(bob.uid), -1), "chown")
	ownsStickyStep.run(t, bob, dir+"/s") // who owns the directory may remove all in it
}

var createEverythingStep = newStep("make a file and a directory", func(p *process, arguments []string) {
	create(p, arguments[0]+"/f")
	mkdir(p, arguments[0]+"/d", 0o777)
})

var stickyStep = newStep("remove what is another's", func(p *process, arguments []string) {
	dir := arguments[0]
	create(p, dir+"/own")
	fails(p, unix.EPERM, unix.Unlink(dir+"/f"), "unlink of another's file")
	fails(p, unix.EPERM, unix.Rmdir(dir+"/d"), "rmdir of another's directory")
	fails(p, unix.EPERM, unix.Rename(dir+"/f", dir+"/g"), "rename of another's file")
	fails(p, unix.EPERM, unix.Rename(dir+"/own", dir+"/f"), "rename over another's file")
	fails(p, unix.EPERM, rename2(dir+"/own", dir+"/f", unix.RENAME_EXCHANGE), "exchange with another's file")
	ok(p, unix.Rename(dir+"/own", dir+"/mine"), "rename of the own file")
	ok(p, unix.Rename(dir+"/mine", dir+"/own"), "rename back")
})

var ownsStickyStep = newStep("remove what one may", func(p *process, arguments []string) {
	ok(p, unix.Unlink(arguments[0]+"/f"), "unlink")
	ok(p, unix.Rmdir(arguments[0]+"/d"), "rmdir")
})

func permissionAccess(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o754)
	ok(t, unix.Chown(dir+"/f", int(alice.uid), int(alice.gid)), "chown")
	permissionAccessStep.run(t, alice, dir+"/f", "success", "success", "success")
	permissionAccessStep.run(t, identity{uid: bob.uid, gid: alice.gid}, dir+"/f", "success", "EACCES", "success")
	permissionAccessStep.run(t, bob, dir+"/f", "success", "EACCES", "EACCES")
	permissionAccessStep.run(t, root, dir+"/f", "success", "success", "success")
	ok(t, unix.Chmod(dir+"/f", 0o600), "chmod")
	permissionAccessStep.run(t, root, dir+"/f", "success", "success", "EACCES")
}

var permissionAccessStep = newStep("ask for access", func(p *process, arguments []string) {
	for i, mode := range []uint32{unix.R_OK, unix.W_OK, unix.X_OK} {
		want := arguments[1+i]
		equal(p, errnoName(unix.Access(arguments[0], mode)), want, "access for %d as %d", mode, unix.Getuid())
		equal(p, errnoName(unix.Faccessat2(unix.AT_FDCWD, arguments[0], mode, unix.AT_EACCESS)), want, "faccessat2 for %d", mode)
	}
	ok(p, unix.Access(arguments[0], unix.F_OK), "access for existence")
	fails(p, unix.EINVAL, unix.Access(arguments[0], 8), "access for something else")
})

func permissionOpen(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o666)
	user := permissionOpenStep.start(t, alice, nil, dir+"/f")
	user.expect(t, "open")
	ok(t, unix.Chmod(dir+"/f", 0), "chmod")
	user.say(t, "go on")
	user.wait(t)
	sameBytes(t, contents(t, dir+"/f"), []byte("mapped..written"), "what the descriptor opened before could do")
}

var permissionOpenStep = newStep("keep what was opened", func(p *process, arguments []string) {
	f := open(p, arguments[0], unix.O_RDWR, 0)
	p.say("open")
	p.hear()
	f.write(p, 8, []byte("written"))
	copy(f.share(p, 8), "mapped..")
	cannotOpen(p, unix.EACCES, arguments[0], unix.O_RDONLY, 0)
	cannotOpen(p, unix.EACCES, self(f), unix.O_RDONLY, 0)
	fails(p, unix.EPERM, unix.Fchmod(f.fd, 0o666), "fchmod")
})

func permissionExecute(t *testing.T, dir string) {
	program, err := os.ReadFile(mapperBinary(t))
	ok(t, err, "reading the program")
	createWith(t, dir+"/program", program).close(t)
	fails(t, unix.EACCES, exec.Command(dir+"/program", "--answer").Run(), "execve of mode 644")
	ok(t, unix.Chmod(dir+"/program", 0o711), "chmod")
	command := exec.Command(dir+"/program", "--answer")
	if err := command.Run(); command.ProcessState == nil || command.ProcessState.ExitCode() != 42 {
		t.Errorf("the program in the mount: %v, want exit status 42", err)
	}
	createWith(t, dir+"/script", []byte("#!/bin/sh\nexit 41\n")).close(t)
	ok(t, unix.Chmod(dir+"/script", 0o755), "chmod")
	command = exec.Command(dir + "/script")
	if err := command.Run(); command.ProcessState == nil || command.ProcessState.ExitCode() != 41 {
		t.Errorf("the script in the mount: %v, want exit status 41", err)
	}
	createWith(t, dir+"/rubbish", []byte("rubbish")).close(t)
	ok(t, unix.Chmod(dir+"/rubbish", 0o755), "chmod")
	fails(t, unix.ENOEXEC, exec.Command(dir+"/rubbish").Run(), "execve of what is no program")
}

func permissionNoAtime(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o666)
	permissionNoAtimeStep.run(t, alice, dir+"/f")
	open(t, dir+"/f", unix.O_RDONLY|unix.O_NOATIME, 0)
}

var permissionNoAtimeStep = newStep("read another's file without a trace", func(p *process, arguments []string) {
	cannotOpen(p, unix.EPERM, arguments[0], unix.O_RDONLY|unix.O_NOATIME, 0)
})

func permissionAtOnce(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	touch(t, dir+"/d/f", 0o644)
	user := permissionAtOnceStep.start(t, alice, nil, dir+"/d/f")
	for _, c := range []struct {
		path string
		mode uint32
		want string
	}{{"/d", 0o755, "success"}, {"/d", 0o700, "EACCES"}, {"/d", 0o755, "success"}, {"/d/f", 0o600, "EACCES"}, {"/d/f", 0o604, "success"}} {
		ok(t, unix.Chmod(dir+c.path, c.mode), "chmod")
		user.say(t, "try")
		user.expect(t, c.want)
	}
	user.say(t, "end")
	user.wait(t)
}

var permissionAtOnceStep = newStep("open again and again", func(p *process, arguments []string) {
	for p.hear() == "try" {
		fd, err := unix.Open(arguments[0], unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		p.say(errnoName(err))
	}
})

func permissionRoot(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o700)
	createWith(t, dir+"/d/f", []byte("data")).close(t)
	ok(t, unix.Chown(dir+"/d/f", int(alice.uid), -1), "chown")
	ok(t, unix.Chmod(dir+"/d/f", 0), "chmod")
	ok(t, unix.Chown(dir+"/d", int(bob.uid), -1), "chown")
	ok(t, unix.Chmod(dir+"/d", 0), "chmod")
	contain(t, dir+"/d/f", "data")
	open(t, dir+"/d/f", unix.O_RDWR, 0)
	names(t, dir+"/d", "f")
}
