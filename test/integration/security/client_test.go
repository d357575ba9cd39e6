package security

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// TestDevicesAndSetuid has device nodes and set-user-ID programs in a mount.
func TestDevicesAndSetuid(t *testing.T) {
	inEachMode(t, func(t *testing.T, options string) {
		mount := rig.Shmfs(t, options)
		must(t, unix.Mknod(mount+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		must(t, unix.Chmod(mount+"/null", 0o666))
		if _, err := os.ReadFile(mount + "/null"); !os.IsPermission(err) {
			t.Errorf("opening a device: %v", err)
		}
		rig.MustRun(t, mount, patience, exec.Command("cp", rig.Program(t, "id"), mount+"/id"))
		must(t, unix.Chmod(mount+"/id", 0o6755))
		if user := rig.MustRun(t, mount, patience, as(ann, exec.Command(mount+"/id", "-u"))); user != fmt.Sprintln(ann) {
			t.Errorf("a set-user-ID program runs as %q", user)
		}
		if group := rig.MustRun(t, mount, patience, as(ann, exec.Command(mount+"/id", "-g"))); group != fmt.Sprintln(ann) {
			t.Errorf("a set-group-ID program runs as group %q", group)
		}
	})
}

// TestWhoMayOnlyRead has ann try to write to a file that she may only read, by every way that leads to its memory.
func TestWhoMayOnlyRead(t *testing.T) {
	inEachMode(t, func(t *testing.T, options string) {
		mount := rig.Shmfs(t, options)
		path := mount + "/file"
		must(t, os.WriteFile(path, []byte(strings.Repeat("x", 8192)), 0o644))
		requirePart(t, mount, as(ann, part("reader", path)))
		if content, err := os.ReadFile(path); err != nil || string(content) != strings.Repeat("x", 8192) {
			t.Errorf("the file was changed (%v)", err)
		}
	})
}

// readOnly is what ann tries.
func readOnly(arguments []string) []string {
	path := arguments[0]
	descriptor, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return []string{err.Error()}
	}
	memory, err := unix.Mmap(descriptor, 0, 8192, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return []string{err.Error()}
	}
	open := func(path string) error { _, err := unix.Open(path, unix.O_RDWR, 0); return err }
	_, mapped := unix.Mmap(descriptor, 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	_, written := unix.Pwrite(descriptor, []byte("y"), 0)
	local := []unix.Iovec{{Base: &[]byte("y")[0], Len: 1}}
	remote := []unix.RemoteIovec{{Base: address(memory), Len: 1}}
	_, poked := unix.ProcessVMWritev(os.Getpid(), local, remote, 0)
	self := fmt.Sprintf("/proc/self/fd/%d", descriptor)
	refused := []error{unix.EACCES, unix.EPERM}
	return failures([]trial{
		{"opening it for writing", open(path), refused},
		{"opening its descriptor for writing", open(self), refused},
		{"mapping it for writing", mapped, refused},
		{"making its mapping writable", unix.Mprotect(memory, unix.PROT_READ|unix.PROT_WRITE), refused},
		{"writing", written, []error{unix.EBADF}},
		{"truncating", unix.Ftruncate(descriptor, 0), []error{unix.EINVAL, unix.EBADF}},
		{"truncating by path", unix.Truncate(path, 0), refused},
		{"punching a hole", unix.Fallocate(descriptor, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096), []error{unix.EBADF}},
		{"removing pages of the mapping", unix.Madvise(memory, unix.MADV_REMOVE), refused},
		{"writing through the process's own memory", writeMemory(memory), []error{unix.EIO, unix.EFAULT, unix.EACCES}},
		{"writing by process_vm_writev", poked, []error{unix.EFAULT}},
	})
}

// writeMemory stores a byte through /proc/self/mem, which disregards the protection of private mappings.
func writeMemory(memory []byte) error {
	file, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt([]byte("y"), int64(address(memory)))
	return err
}
