package lifecycle_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func requireText(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v, want %q", path, got, err, want)
	}
}

// When the command has returned the mount answers, with no second try, and it is gone when umount has returned.
func TestMountReturnsWhenItAnswers(t *testing.T) {
	t.Parallel()
	for range 5 {
		directory := mounted(t)
		var figures unix.Statfs_t
		if err := unix.Statfs(directory, &figures); err != nil || figures.Type != unix.FUSE_SUPER_MAGIC {
			t.Errorf("statfs: type %#x, %v", figures.Type, err)
		}
		writeFile(t, filepath.Join(directory, "object"), "text")
		requireText(t, filepath.Join(directory, "object"), "text")
		unmount(t, directory)
	}
}

// The daemon holds on to nothing of the process that started it.
func TestDaemonIsDetached(t *testing.T) {
	t.Parallel()
	directory := mountpoint(t)
	inherited, err := os.CreateTemp(t.TempDir(), "inherited")
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	command := exec.Command(rig.Binary(t), "mount", directory)
	command.ExtraFiles = []*os.File{inherited, inherited}
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	process := daemonOf(t, directory)
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", process))
	if err != nil || len(open) == 0 {
		t.Fatalf("its open files cannot be seen: %v", err)
	}
	for _, link := range open {
		if target, _ := os.Readlink(link); target == inherited.Name() {
			t.Errorf("it holds %s open", target)
		}
	}
	if session, err := unix.Getsid(process); err != nil || session != process {
		t.Errorf("its session is %d, %v, not its own", session, err)
	}
	for link, want := range map[string]string{"cwd": "/", "fd/0": "/dev/null", "fd/1": "/dev/null", "fd/2": "/dev/null"} {
		if got, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", process, link)); err != nil || got != want {
			t.Errorf("its %s is %s, %v, not %s", link, got, err, want)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil || !strings.Contains(string(status), "\nUmask:\t0000\n") {
		t.Errorf("its umask is not 0: %v", err)
	}
	var limit unix.Rlimit
	if err := unix.Prlimit(process, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	if want := mostDescriptors(t); limit.Cur != want {
		t.Errorf("it can open %d files, and could %d", limit.Cur, want)
	}
	unmount(t, directory)
}

// mostDescriptors is the highest limit of open files that a child of this process can have.
func mostDescriptors(t *testing.T) uint64 {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if sets[0].Effective&(1<<unix.CAP_SYS_RESOURCE) == 0 {
		return limit.Max
	}
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return max(most, limit.Max)
}

func TestMountOptionsHaveEffect(t *testing.T) {
	t.Parallel()
	directory := mounted(t, "-o", "size=8M,nr_inodes=100,mode=750", "-o", "uid=12,gid=34,fsname=jobs of today")
	var figures unix.Statfs_t
	if err := unix.Statfs(directory, &figures); err != nil {
		t.Fatal(err)
	}
	if bytes := figures.Blocks * uint64(figures.Bsize); bytes != 8<<20 || figures.Files != 100 {
		t.Errorf("statfs shows %d bytes and %d inodes", bytes, figures.Files)
	}
	var root unix.Stat_t
	if err := unix.Stat(directory, &root); err != nil {
		t.Fatal(err)
	}
	if root.Mode&0o7777 != 0o750 || root.Uid != 12 || root.Gid != 34 {
		t.Errorf("the root has mode %o and belongs to %d:%d", root.Mode&0o7777, root.Uid, root.Gid)
	}
	fields := mountFields(t, directory)
	if !slices.Contains(fields, `jobs\040of\040today`) || !slices.Contains(fields, "fuse.shmfs") {
		t.Errorf("the mount table shows %q", fields)
	}
	for _, flag := range []string{"rw", "nosuid", "nodev"} {
		if !slices.Contains(strings.Split(fields[5], ","), flag) {
			t.Errorf("the mount is not %s: %s", flag, fields[5])
		}
	}
	unmount(t, directory)
}

func TestDefaultLimitsAreThoseOfTmpfs(t *testing.T) {
	t.Parallel()
	plain, ours := rig.Tmpfs(t, ""), rig.Shmfs(t, "")
	var want, got unix.Statfs_t
	if err := unix.Statfs(plain, &want); err != nil {
		t.Fatal(err)
	}
	if err := unix.Statfs(ours, &got); err != nil {
		t.Fatal(err)
	}
	if got.Blocks*uint64(got.Bsize) != want.Blocks*uint64(want.Bsize) || got.Files != want.Files {
		t.Errorf("%d blocks of %d and %d inodes, tmpfs has %d of %d and %d",
			got.Blocks, got.Bsize, got.Files, want.Blocks, want.Bsize, want.Files)
	}
	var root, plainRoot unix.Stat_t
	if err := unix.Stat(ours, &root); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(plain, &plainRoot); err != nil {
		t.Fatal(err)
	}
	if root.Mode != plainRoot.Mode {
		t.Errorf("the root's mode is %o, tmpfs's %o", root.Mode, plainRoot.Mode)
	}
}

func TestReadOnlyMountRefusesChanges(t *testing.T) {
	t.Parallel()
	directory := mounted(t, "-o", "ro")
	if err := os.WriteFile(filepath.Join(directory, "object"), nil, 0o644); !isErrno(err, unix.EROFS) {
		t.Errorf("creating a file: %v, want EROFS", err)
	}
	unmount(t, directory)
}

func TestNoexecMountRunsNothing(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"exec", "noexec"} {
		directory := mounted(t, "-o", options)
		program := installProgram(t, directory)
		err := exec.Command(program).Run()
		if options == "exec" && err != nil {
			t.Errorf("without noexec: %v", err)
		}
		if options == "noexec" && !isErrno(err, unix.EACCES) {
			t.Errorf("with noexec: %v, want EACCES", err)
		}
		unmount(t, directory)
	}
}

// installProgram puts a program that does nothing into a directory.
func installProgram(t *testing.T, directory string) string {
	t.Helper()
	image, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(directory, "program")
	if err := writeProgram(path, image); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMountTwiceIsRefused(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	writeFile(t, filepath.Join(directory, "object"), "kept")
	got := shmfs(t, "mount", directory)
	requireFailure(t, got, 4, directory+" already has a live shmfs", fmt.Sprintf("process %d", daemonOf(t, directory)),
		"shmfs umount "+directory)
	if count := mountsAt(t, directory); count != 1 {
		t.Errorf("%d file systems are mounted", count)
	}
	requireText(t, filepath.Join(directory, "object"), "kept")
	unmount(t, directory)
}

// Of several commands that start at one time one mounts, and all others see its mount.
func TestMountingAtOneTimeMountsOnce(t *testing.T) {
	t.Parallel()
	directory := mountpoint(t)
	binary := rig.Binary(t)
	const commands = 6
	codes := make([]int, commands)
	var group sync.WaitGroup
	for i := range commands {
		group.Go(func() { codes[i] = run(t, exec.Command(binary, "mount", directory)).code })
	}
	group.Wait()
	slices.Sort(codes)
	if want := []int{0, 4, 4, 4, 4, 4}; !slices.Equal(codes, want) {
		t.Errorf("the exit codes are %v, want %v", codes, want)
	}
	if count := mountsAt(t, directory); count != 1 {
		t.Errorf("%d file systems are mounted", count)
	}
	unmount(t, directory)
}

func TestMountpointsOfOddNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "tab\tand\nnewline", `back\slash`, `\040`, "-dash", "comma,comma", "\xff\xfe", "ünïcode"} {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			directory := filepath.Join(mountpoint(t), name)
			if err := os.Mkdir(directory, 0o755); err != nil {
				t.Fatal(err)
			}
			requireSuccess(t, shmfs(t, "mount", "--", directory))
			requireFailure(t, shmfs(t, "mount", "--", directory), 4, "already has a live shmfs")
			unmountNamed(t, directory)
		})
	}
}

func unmountNamed(t *testing.T, directory string) {
	t.Helper()
	daemon := watch(t, daemonOf(t, directory))
	requireSuccess(t, shmfs(t, "umount", "--", directory))
	requireUnmounted(t, directory)
	if !daemon.ended(t, 0) {
		t.Error("umount returned before the daemon had ended")
	}
}

func TestMountThroughLinkAndRelativePath(t *testing.T) {
	t.Parallel()
	directory := mountpoint(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(directory, link); err != nil {
		t.Fatal(err)
	}
	requireSuccess(t, shmfs(t, "mount", link))
	if count := mountsAt(t, directory); count != 1 {
		t.Errorf("%d file systems are mounted where the link leads", count)
	}
	requireSuccess(t, shmfs(t, "umount", link))
	requireUnmounted(t, directory)

	for _, command := range []string{"mount", "umount"} {
		relative := exec.Command(rig.Binary(t), command, filepath.Base(directory))
		relative.Dir = filepath.Dir(directory)
		requireSuccess(t, run(t, relative))
	}
	requireUnmounted(t, directory)
}

func TestMountOverDirectoryWithFiles(t *testing.T) {
	t.Parallel()
	directory := mountpoint(t)
	below := filepath.Join(directory, "below")
	writeFile(t, below, "below")
	requireSuccess(t, shmfs(t, "mount", directory))
	if _, err := os.Stat(below); !os.IsNotExist(err) {
		t.Errorf("what lies below the mount shows through: %v", err)
	}
	unmount(t, directory)
	requireText(t, below, "below")
}

func TestMountOverTmpfs(t *testing.T) {
	t.Parallel()
	directory := rig.Tmpfs(t, "")
	requireSuccess(t, shmfs(t, "mount", directory))
	if count := mountsAt(t, directory); count != 2 {
		t.Errorf("%d file systems are mounted, want the tmpfs and ours", count)
	}
	writeFile(t, filepath.Join(directory, "object"), "text")
	requireSuccess(t, whenFree(func() result { return shmfs(t, "umount", directory) }))
	if fields := mountFields(t, directory); !slices.Contains(fields, "tmpfs") {
		t.Errorf("the tmpfs is not back: %q", fields)
	}
}

// The tests run in a mount namespace of their own: nobody else sees this one.
func TestMountOverSharedMemory(t *testing.T) {
	if err := unix.Mount("tmpfs", rig.SharedMemory, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(rig.SharedMemory, 0); err != nil {
			t.Errorf("unmounting the tmpfs on %s: %v", rig.SharedMemory, err)
		}
	})
	requireSuccess(t, shmfs(t, "mount", rig.SharedMemory))
	script := "from multiprocessing import shared_memory as m\n" +
		"a = m.SharedMemory('shmfs-lifecycle', create=True, size=4096); b = m.SharedMemory('shmfs-lifecycle')\n" +
		"a.buf[7] = 42; assert b.buf[7] == 42; b.close(); a.close(); a.unlink()\n"
	if got := run(t, exec.Command(rig.Program(t, "python3"), "-c", script)); got.code != 0 {
		t.Errorf("a program that uses shared memory: %s", got.stderr)
	}
	requireSuccess(t, shmfs(t, "umount", rig.SharedMemory))
}

func TestDirectoryStoreOutlivesTheMount(t *testing.T) {
	t.Parallel()
	store, directory := t.TempDir(), mountpoint(t)
	for range 2 {
		relative := exec.Command(rig.Binary(t), "mount", "-o", "store="+filepath.Base(store), directory)
		relative.Dir = filepath.Dir(store)
		requireSuccess(t, run(t, relative))
		if !strings.Contains(optionsOf(t, directory), "store="+store) {
			t.Errorf("the options in force are %s", optionsOf(t, directory))
		}
		object := filepath.Join(directory, "object")
		if _, err := os.Stat(object); os.IsNotExist(err) {
			writeFile(t, object, "kept")
		}
		requireText(t, object, "kept")
		unmount(t, directory)
	}
}
