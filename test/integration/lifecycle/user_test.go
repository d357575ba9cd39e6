package lifecycle_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// somebody is an ordinary user: no name and no rights are needed for the number.
const somebody = 65534

// fuseDevice is the device number of /dev/fuse, major 10 and minor 229.
var fuseDevice = int(unix.Mkdev(10, 229))

// public is a directory that every user can reach, in the tests' own mount namespace. It is made at first use.
var public struct {
	sync.Mutex
	directory string
}

// programForAll returns the program under test at a path that every user may run.
func programForAll(t *testing.T) string {
	t.Helper()
	rig.Program(t, "fusermount3")
	public.Lock()
	defer public.Unlock()
	if public.directory == "" {
		if err := makePublic(rig.Binary(t)); err != nil {
			t.Fatalf("preparing for an ordinary user: %v", err)
		}
	}
	return filepath.Join(public.directory, "shmfs")
}

// userRun is where directories of users are for as long as they are logged in.
const userRun = "/run/user"

// makePublic copies the program to where an ordinary user may run it, gives the FUSE device the mode that every distribution gives it (a
// machine without udev has it for root alone), and the user a directory as who is logged in has it.
func makePublic(binary string) error {
	directory, err := os.MkdirTemp("", "shmfs-public-")
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", directory, "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return err
	}
	public.directory = directory
	device := filepath.Join(directory, "fuse")
	if err := unix.Mknod(device, unix.S_IFCHR, fuseDevice); err != nil {
		return err
	}
	if err := os.Chmod(device, 0o666); err != nil {
		return err
	}
	if err := unix.Mount(device, "/dev/fuse", "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := makeUserRun(); err != nil {
		return err
	}
	image, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	return writeProgram(filepath.Join(directory, "shmfs"), image)
}

func makeUserRun() error {
	if err := os.MkdirAll(userRun, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", userRun, "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return err
	}
	own := filepath.Join(userRun, strconv.Itoa(somebody))
	return errors.Join(os.Mkdir(own, 0o700), os.Chown(own, somebody, somebody))
}

// removePublic undoes makePublic if it was called.
func removePublic() error {
	if public.directory == "" {
		return nil
	}
	return errors.Join(
		unix.Unmount(userRun, unix.MNT_DETACH),
		unix.Unmount("/dev/fuse", unix.MNT_DETACH),
		unix.Unmount(public.directory, unix.MNT_DETACH),
		os.Remove(public.directory),
	)
}

// asUser makes a command run by the ordinary user.
func asUser(command *exec.Cmd) *exec.Cmd {
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebody, Gid: somebody}}
	return command
}

// userShmfs runs the program under test as the ordinary user.
func userShmfs(t *testing.T, arguments ...string) result {
	t.Helper()
	return run(t, asUser(exec.Command(programForAll(t), arguments...)))
}

// userMountpoint is a mountpoint that belongs to the ordinary user.
func userMountpoint(t *testing.T) string {
	t.Helper()
	directory := mountpoint(t)
	if err := os.Chown(directory, somebody, somebody); err != nil {
		t.Fatal(err)
	}
	return directory
}

// userDaemon finds the daemon of a user's mount by its command line: root may not ask such a mount anything.
func userDaemon(t *testing.T, directory string) process {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(text), programForAll(t)+"\x00") ||
			!strings.HasSuffix(string(text), "\x00"+directory+"\x00") {
			continue
		}
		number, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		return watch(t, number)
	}
	t.Fatalf("no daemon serves %s", directory)
	return -1
}

func TestUserMounts(t *testing.T) {
	t.Parallel()
	directory, log := userMountpoint(t), filepath.Join(userMountpoint(t), "log")
	requireSuccess(t, userShmfs(t, "mount", "--log-file", log, "-o", "size=8M", directory))
	fields := mountFields(t, directory)
	super := strings.Split(fields[len(fields)-1], ",")
	if !slices.Contains(super, "user_id=65534") || slices.Contains(super, "allow_other") || !slices.Contains(fields, "fuse.shmfs") {
		t.Errorf("the mount table shows %q", fields)
	}
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "mode=cached") {
		t.Errorf("the log does not say that the mode is cached: %v\n%s", err, text)
	}
	script := "cd " + directory + " && echo text > object && cat object && stat -c %U:%u . object && rm object"
	got := run(t, asUser(exec.Command("/bin/sh", "-c", script)))
	if got.code != 0 || got.stdout != "text\nnobody:65534\nnobody:65534\n" {
		t.Errorf("using the mount: exit code %d, %q %s", got.code, got.stdout, got.stderr)
	}
	requireFailure(t, userShmfs(t, "mount", directory), 4, "already has a live shmfs")
	daemon := userDaemon(t, directory)
	requireSuccess(t, userShmfs(t, "umount", directory))
	requireUnmounted(t, directory)
	if !daemon.ended(t, 0) {
		t.Error("umount returned before the daemon had ended")
	}
}

func TestUserMountOptions(t *testing.T) {
	t.Parallel()
	directory := userMountpoint(t)
	requireSuccess(t, userShmfs(t, "mount", "-o", `noexec,fsname=a\,b`, directory))
	fields := mountFields(t, directory)
	if own := strings.Split(fields[5], ","); !slices.Contains(own, "noexec") || !slices.Contains(own, "nosuid") || !slices.Contains(own, "nodev") {
		t.Errorf("the mount table shows %q", fields)
	}
	if source := fields[len(fields)-2]; source != "a,b" {
		t.Errorf("the source is %q", source)
	}
	script := "cd " + directory + " && printf '#!/bin/sh\n' > run && chmod 700 run && ! ./run 2>/dev/null"
	if got := run(t, asUser(exec.Command("/bin/sh", "-c", script))); got.code != 0 {
		t.Errorf("exit code %d, %q %s", got.code, got.stdout, got.stderr)
	}
	requireSuccess(t, userShmfs(t, "umount", directory))
	requireSuccess(t, userShmfs(t, "mount", "-o", "ro", directory))
	if got := run(t, asUser(exec.Command("touch", directory+"/file"))); got.code == 0 {
		t.Error("a file was made on a read-only mount")
	}
	requireSuccess(t, userShmfs(t, "umount", directory))
}

func TestUserMountIsUnmountedByRoot(t *testing.T) {
	t.Parallel()
	directory := userMountpoint(t)
	requireSuccess(t, userShmfs(t, "mount", directory))
	daemon := userDaemon(t, directory)
	requireFailure(t, shmfs(t, "mount", directory), 4, "already has a live shmfs")
	requireSuccess(t, shmfs(t, "umount", directory))
	requireUnmounted(t, directory)
	if !daemon.ended(t, patience) {
		t.Error("the daemon does not end")
	}
}

func TestUserMountEndsWithSignal(t *testing.T) {
	t.Parallel()
	directory := userMountpoint(t)
	requireSuccess(t, userShmfs(t, "mount", directory))
	daemon := userDaemon(t, directory)
	daemon.signal(t, unix.SIGTERM)
	if !daemon.ended(t, patience) {
		t.Error("SIGTERM does not end the daemon")
	}
	requireUnmounted(t, directory)
}

func TestUserMountInUse(t *testing.T) {
	t.Parallel()
	directory := userMountpoint(t)
	requireSuccess(t, userShmfs(t, "mount", directory))
	daemon := userDaemon(t, directory)
	inside := exec.Command(programForAll(t), "umount", directory)
	inside = asUser(inside)
	inside.Dir = directory
	// Root may not enter a user's mount, so that a shell of the user's stands in it.
	got := run(t, asUser(exec.Command("/bin/sh", "-c", "cd "+directory+" && exec "+strings.Join(inside.Args, " "))))
	requireFailure(t, got, 8, directory+" is in use", "shmfs umount -l")
	requireSuccess(t, userShmfs(t, "umount", "-l", directory))
	requireUnmounted(t, directory)
	if !daemon.ended(t, patience) {
		t.Error("the daemon does not end")
	}
}

func TestUserReplacesStaleMount(t *testing.T) {
	t.Parallel()
	directory := userMountpoint(t)
	before := time.Now().Add(-time.Second)
	requireSuccess(t, userShmfs(t, "mount", directory))
	// Root may not enter a user's mount.
	stats := run(t, asUser(exec.Command("cat", directory+"/.shmfs/stats")))
	processes, err := rig.ParseDaemon(stats.stdout)
	if err != nil {
		t.Fatal(err)
	}
	processes.Kill(t)
	got := userShmfs(t, "mount", directory)
	if got.code != 0 {
		t.Errorf("exit code %d", got.code)
	}
	requireLine(t, got, "stale mount", directory, "all its objects were in memory and are lost", "open files and locks are lost")
	requireTimes(t, got.stderr, before, time.Now())
	if count := mountsAt(t, directory); count != 1 {
		t.Errorf("%d file systems are mounted", count)
	}
	requireSuccess(t, userShmfs(t, "umount", directory))
}

func TestUserIsToldWhatRightIsMissing(t *testing.T) {
	t.Parallel()
	own, others, sticky, rooted := userMountpoint(t), mountpoint(t), mountpoint(t), mounted(t)
	if err := os.Chmod(sticky, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	configuration, err := os.ReadFile("/etc/fuse.conf")
	if err == nil && slices.Contains(strings.Split(string(configuration), "\n"), "user_allow_other") {
		t.Fatal("the test needs a /etc/fuse.conf without user_allow_other")
	}
	cases := []struct {
		name      string
		arguments []string
		code      int
		words     []string
	}{
		{"directory of another", []string{"mount", others}, 5, []string{"write access", "directory of your own", "sudo"}},
		{"sticky directory", []string{"mount", sticky}, 5, []string{"sticky", "directory of your own", "sudo"}},
		{"unreachable directory", []string{"mount", "/root/x"}, 5, []string{"permission denied", "sudo"}},
		{"allow_other", []string{"mount", "-o", "allow_other", own}, 5, []string{"user_allow_other", "/etc/fuse.conf", "sudo"}},
		{"require-passthrough", []string{"mount", "-o", "require-passthrough", own}, 6,
			[]string{"CAP_SYS_ADMIN", "leave require-passthrough out"}},
		{"umount of root's", []string{"umount", rooted}, 5, []string{"belongs to user 0", "sudo"}},
		{"lazy umount of root's", []string{"umount", "-l", rooted}, 5, []string{"belongs to user 0", "sudo"}},
		{"remount of root's", []string{"mount", "-o", "remount,size=1G", rooted}, 5, []string{"belongs to user 0", "sudo"}},
		{"mount on root's", []string{"mount", rooted}, 4, []string{"already has a live shmfs"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			requireFailure(t, userShmfs(t, c.arguments...), c.code, c.words...)
		})
	}
	t.Run("no fusermount3", func(t *testing.T) {
		command := asUser(exec.Command(programForAll(t), "mount", own))
		command.Env = []string{"PATH=/nonexistent"}
		requireFailure(t, run(t, command), 5, "fusermount3", "apt install fuse3", "sudo")
	})
	t.Run("no device", func(t *testing.T) {
		device := filepath.Join(t.TempDir(), "fuse")
		if err := unix.Mknod(device, unix.S_IFCHR|0o600, fuseDevice); err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf("mount --bind %s /dev/fuse && exec setpriv --reuid=%d --regid=%d --clear-groups %s mount %s",
			device, somebody, somebody, programForAll(t), own)
		command := exec.Command(rig.Program(t, "unshare"), "--mount", "/bin/sh", "-c", script)
		requireFailure(t, run(t, command), 5, "/dev/fuse may not be opened", "0666", "sudo")
	})
	for _, directory := range []string{own, others, sticky} {
		requireUnmounted(t, directory)
	}
	unmount(t, rooted)
}

// What fusermount3 itself refuses is told in its own words.
func TestUserIsToldWhatTheHelperSays(t *testing.T) {
	t.Parallel()
	program, own := programForAll(t), userMountpoint(t)
	configuration := filepath.Join(t.TempDir(), "fuse.conf")
	writeFile(t, configuration, "mount_max=0\n")
	script := fmt.Sprintf("mount --bind %s /etc/fuse.conf && exec setpriv --reuid=%d --regid=%d --clear-groups %s mount %s",
		configuration, somebody, somebody, program, own)
	command := exec.Command(rig.Program(t, "unshare"), "--mount", "/bin/sh", "-c", script)
	requireFailure(t, run(t, command), 1, "fusermount3", "too many FUSE filesystems", "mount_max")
	requireUnmounted(t, own)
}
