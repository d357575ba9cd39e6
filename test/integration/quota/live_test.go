package quota

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// TestLiveChanges sets limits with the program, while the mount is in use.
func TestLiveChanges(t *testing.T) {
	inEach(t, strictPlaces, "size=64M", func(t *testing.T, mount string) {
		a := start(t, mount, ann)
		file := a.must("open", "file", unix.O_RDWR|unix.O_CREAT)
		a.must("ftruncate", file, 10<<20)
		set := func(arguments ...string) {
			t.Helper()
			shmfs(t, mount, append([]string{"quota", "set", "--mount", mount, fmt.Sprint(ann)}, arguments...)...)
		}
		set("--size", "12M", "--objects", "2")
		a.must("ftruncate", file, 12<<20)
		a.wants(unix.EDQUOT, "ftruncate", file, 12<<20+1)
		a.must("mkdir", "directory")
		a.wants(unix.EDQUOT, "mkdir", "more")
		set("--size", "1M") // less than it holds: nothing is taken, nothing more is given
		wantHolds(t, mount, ann, 12<<20/page, 2)
		a.must("map", file, 12<<20)
		a.must("ftruncate", file, 2<<20)
		a.wants(unix.EDQUOT, "ftruncate", file, 2<<20+1)
		a.must("ftruncate", file, 2<<20-1)
		a.must("ftruncate", file, 2<<20) // the same page
		a.must("ftruncate", file, 1<<20)
		a.wants(unix.EDQUOT, "write", file, 1, 1<<20)
		a.must("rmdir", "directory")
		wantHolds(t, mount, ann, 1<<20/page, 1)
		a.must("mkdir", "directory") // bytes and objects are judged apart
		set("--size", "none")
		a.must("ftruncate", file, 20<<20)
		set("--size", "default", "--objects", "default")
		remount := func(options string) {
			t.Helper()
			shmfs(t, mount, "mount", "-o", "remount,"+options, mount)
		}
		remount("quota-uid=21M,quota-objects=3")
		a.must("ftruncate", file, 21<<20)
		a.wants(unix.EDQUOT, "ftruncate", file, 22<<20)
		a.must("mkdir", "more")
		a.wants(unix.EDQUOT, "mkdir", "too many")
		set("--size", "22M") // their own stays when everybody's changes
		remount("quota-uid=1M")
		a.must("ftruncate", file, 22<<20)
		a.wants(unix.EDQUOT, "ftruncate", file, 23<<20)
		if config := text(t, mount, "config"); !strings.Contains(config, "quota-uid: 1048576\n") || !strings.Contains(config, "quota-objects: 3\n") {
			t.Errorf("config has\n%s", config)
		}
		remount("quota-uid=0,quota-objects=0")
		a.must("mkdir", "too many")
		a.wants(unix.EDQUOT, "ftruncate", file, 23<<20)
		set("--size", "default")
		a.must("ftruncate", file, 23<<20)
	})
}

// TestWhoMaySet has others than root refused, by the program and by the kernel.
func TestWhoMaySet(t *testing.T) {
	mount := rig.Shmfs(t, "require-passthrough,quota-objects=5")
	for _, value := range []string{"3001 objects=9", "3001 bytes=0"} {
		command := exec.Command(rig.Program(t, "setfattr"), "-n", "trusted.shmfs.quota", "-v", value, mount)
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ann, Gid: ann}}
		wantRefused(t, mount, 1, "not permitted", command)
	}
	command := exec.Command(rig.Binary(t), "quota", "set", "--mount", mount, "--objects", "9", fmt.Sprint(ann))
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ann, Gid: ann}}
	wantRefused(t, mount, 5, "use sudo", command)
	command = exec.Command(rig.Binary(t), "quota", "ls", "--mount", mount)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ann, Gid: ann}}
	rig.MustRun(t, mount, patience, command)
	for _, value := range []string{"0 objects=9", "", "3001 objects=x", "ann objects=9"} {
		if err := unix.Setxattr(mount, "trusted.shmfs.quota", []byte(value), 0); err != unix.EINVAL {
			t.Errorf("setting %q: %v", value, err)
		}
	}
	shmfs(t, mount, "mount", "-o", "remount,ro", mount)
	shmfs(t, mount, "quota", "set", "--mount", mount, "--objects", "9", fmt.Sprint(ann))
	value := make([]byte, 100)
	n, err := unix.Getxattr(mount, "trusted.shmfs.quota", value)
	if err != nil || string(value[:n]) != fmt.Sprintf("%d bytes=default objects=9\n", ann) {
		t.Errorf("the limits are %q, %v", value[:max(n, 0)], err)
	}
}

// TestLazyHasNoBytes has limits of bytes refused where nobody could hold users to them.
func TestLazyHasNoBytes(t *testing.T) {
	place := t.TempDir()
	for _, options := range []string{"commit=lazy,quota-uid=1M", "quota-uid=1M,commit=lazy,quota-objects=3"} {
		wantRefused(t, place, 2, "under commit=lazy objects grow without the daemon", exec.Command(rig.Binary(t), "mount", "-o", options, place))
	}
	mount := rig.Shmfs(t, "require-passthrough,commit=lazy,quota-objects=3")
	wantRefused(t, mount, 2, "under commit=lazy objects grow without the daemon",
		exec.Command(rig.Binary(t), "mount", "-o", "remount,quota-uid=1M", mount))
	wantRefused(t, mount, 1, "commit=strict", exec.Command(rig.Binary(t), "quota", "set", "--mount", mount, "--size", "1M", fmt.Sprint(ann)))
	shmfs(t, mount, "quota", "set", "--mount", mount, "--size", "none", "--objects", "1", fmt.Sprint(ann))
	shmfs(t, mount, "mount", "-o", "remount,quota-objects=2,quota-uid=0", mount)
	a, b := start(t, mount, ann), start(t, mount, ben)
	a.must("mkdir", "one")
	a.wants(unix.EDQUOT, "mkdir", "two")
	b.must("mkdir", "ben's")
	b.must("write", b.must("open", "ben's too", unix.O_RDWR|unix.O_CREAT), 10<<20, 0)
	b.wants(unix.EDQUOT, "mkdir", "two")
}

// TestWhatShows compares the program's and the mount's tables, metrics and events.
func TestWhatShows(t *testing.T) {
	mount := rig.Shmfs(t, "require-passthrough,size=64M,quota-uid=1M,quota-objects=20")
	shmfs(t, mount, "quota", "set", "--mount", mount, "-s", "2M", fmt.Sprint(ben))
	shmfs(t, mount, "quota", "set", "--mount", mount, "-n", "none", "-s", "none", fmt.Sprint(cai))
	events := exec.Command(rig.Binary(t), "watch", "--json", "--mount", mount)
	output, err := events.StdoutPipe()
	must(t, err)
	must(t, events.Start())
	t.Cleanup(func() {
		_ = events.Process.Kill()
		_ = events.Wait()
	})
	awaitReader(t, mount)
	a := start(t, mount, ann)
	a.must("ftruncate", a.must("open", "file", unix.O_RDWR|unix.O_CREAT), 1<<20)
	a.wants(unix.EDQUOT, "write", 0, 100, 1<<20)
	told := json.NewDecoder(output)
	var event struct {
		Event, Object string
		UID           uint32
		Wanted        int64
	}
	for event.Event != "quota" {
		must(t, told.Decode(&event))
	}
	if event.Object != "file" || event.UID != ann || event.Wanted != 100 {
		t.Errorf("the event is %+v", event)
	}
	for _, c := range []struct {
		user  uint32
		words string
	}{
		{ann, "1048576 1048576 1 20 -"}, {ben, "0 2097152 0 20 bytes"}, {cai, "0 - 0 - bytes,objects"}, {4444, "0 1048576 0 20 -"}, {0, "0 - 0 - -"},
	} {
		said := shmfs(t, mount, "quota", "get", "--mount", mount, "--bytes", "--noheadings", fmt.Sprint(c.user))
		if fields := strings.Fields(said); strings.Join(fields[1:], " ") != c.words {
			t.Errorf("user %d: get says %q, want %q", c.user, said, c.words)
		}
	}
	listed := strings.Fields(shmfs(t, mount, "quota", "ls", "--mount", mount, "--noheadings", "-o", "uid"))
	if fmt.Sprint(listed) != fmt.Sprintf("[%d %d %d]", ann, ben, cai) {
		t.Errorf("ls lists %q", listed)
	}
	for _, one := range rows(t, mount, "users") {
		if one["UID"] == fmt.Sprint(ann) && one["LIMIT"] != "1048576" {
			t.Errorf("users has %q", one)
		}
	}
	metrics := text(t, mount, "metrics")
	for _, line := range []string{
		`shmfs_user_charged_bytes{uid="3001"} 1.048576e+06`, `shmfs_user_objects{uid="3001"} 1`, `shmfs_user_limit_bytes{uid="3002"} 2.097152e+06`,
		`shmfs_user_limit_objects{uid="3003"} 0`, `shmfs_request_errors_total{errno="EDQUOT",kind="write"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("metrics lacks %s", line)
		}
	}
	if stats := text(t, mount, "stats"); !strings.Contains(stats, "errors-write-EDQUOT: 1\n") {
		t.Errorf("stats has\n%s", stats)
	}
	command := exec.Command(rig.Binary(t), "truncate", "--mount", mount, "-s", "2M", "file")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ann, Gid: ann}}
	wantRefused(t, mount, 1, "shmfs quota", command)
	said := rig.Run(t, mount, patience, exec.Command(rig.Binary(t), "quota", "set", "--mount", mount, "-s", "4K", fmt.Sprint(ann)))[0]
	if said.Err != nil || !strings.Contains(said.Stderr, "holds 1M of 4K") {
		t.Errorf("a limit below what is held: %v, %q", said.Err, said.Stderr)
	}
}

// awaitReader waits until somebody reads events.
func awaitReader(t *testing.T, mount string) {
	t.Helper()
	timeout := after(patience)
	for !strings.Contains(text(t, mount, "stats"), "event-readers: 1\n") {
		if timeout() {
			t.Fatal("nobody reads events")
		}
		_, _ = unix.Poll(nil, 5)
	}
}

// TestAnOrdinaryUsersMount has somebody limit themselves.
func TestAnOrdinaryUsersMount(t *testing.T) {
	const nobody = 65534 // fusermount3 wants a user with a name
	rig.Program(t, "fusermount3")
	directory, err := os.MkdirTemp("", "shmfs-quota-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	must(t, os.Chmod(directory, 0o755))
	program, mount := filepath.Join(directory, "shmfs"), filepath.Join(directory, "mount")
	image, err := os.ReadFile(rig.Binary(t))
	must(t, err)
	must(t, os.WriteFile(program, image, 0o755))
	must(t, os.Mkdir(mount, 0o755))
	must(t, os.Chown(mount, nobody, nobody))
	openDevice(t, directory)
	asNobody := func(arguments ...string) string {
		t.Helper()
		command := exec.Command(program, arguments...)
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		command.Dir = "/"
		return rig.MustRun(t, "", patience, command)
	}
	// The daemon stays behind on purpose, in a process group of its own.
	asNobody("mount", "-o", "size=8M,quota-objects=3", mount)
	t.Cleanup(func() { asNobody("umount", mount) })
	a := start(t, mount, nobody)
	file := a.must("open", "file", unix.O_RDWR|unix.O_CREAT)
	a.must("mkdir", "one")
	a.must("mkdir", "two")
	a.wants(unix.EDQUOT, "mkdir", "three")
	asNobody("quota", "set", "--mount", mount, "-n", "4", "-s", "1M", fmt.Sprint(nobody))
	a.must("mkdir", "three")
	a.wants(unix.EDQUOT, "ftruncate", file, 1<<20+1)
	if said := asNobody("quota", "get", "--mount", mount, "--noheadings"); !strings.Contains(said, " 0 ") || !strings.Contains(said, "1M") {
		t.Errorf("get says %q", said)
	}
	a.leave()
}

// openDevice gives the FUSE device the mode that every distribution gives it, in the tests' own namespace.
func openDevice(t *testing.T, directory string) {
	t.Helper()
	must(t, unix.Mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755"))
	t.Cleanup(func() { must(t, unix.Unmount("/mnt", unix.MNT_DETACH)) })
	must(t, unix.Mknod("/mnt/fuse", unix.S_IFCHR, int(unix.Mkdev(10, 229))))
	must(t, os.Chmod("/mnt/fuse", 0o666))
	must(t, unix.Mount("/mnt/fuse", "/dev/fuse", "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount("/dev/fuse", unix.MNT_DETACH)) })
}
