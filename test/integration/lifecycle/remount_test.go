package lifecycle_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func remount(t *testing.T, directory, options string) result {
	t.Helper()
	return shmfs(t, "mount", "-o", "remount,"+options, directory)
}

func requireLimits(t *testing.T, directory string, bytes, inodes uint64) {
	t.Helper()
	var figures unix.Statfs_t
	if err := unix.Statfs(directory, &figures); err != nil {
		t.Fatal(err)
	}
	if got := figures.Blocks * uint64(figures.Bsize); got != bytes || figures.Files != inodes {
		t.Errorf("statfs shows %d bytes and %d inodes, want %d and %d", got, figures.Files, bytes, inodes)
	}
}

// awaitAllFree returns when an empty mount has all its blocks free: the kernel tells the daemon afterwards that nobody uses
// a removed file any more.
func awaitAllFree(t *testing.T, directory string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		figures := statfs(t, directory)
		if figures.Bfree == figures.Blocks {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d blocks are free after %v", figures.Bfree, figures.Blocks, patience)
		}
	}
}

func TestRemountChangesLimits(t *testing.T) {
	t.Parallel()
	for _, commit := range []string{"strict", "lazy"} {
		t.Run(commit, func(t *testing.T) {
			directory := mounted(t, "-o", "size=4M,nr_inodes=50,commit="+commit)
			object := filepath.Join(directory, "object")
			big := make([]byte, 6<<20)
			if err := os.WriteFile(object, big, 0o644); !isErrno(err, unix.ENOSPC) {
				t.Errorf("writing 6 MiB to 4 MiB: %v, want ENOSPC", err)
			}
			requireSuccess(t, remount(t, directory, "size=8M"))
			requireLimits(t, directory, 8<<20, 50)
			if err := os.WriteFile(object, big, 0o644); err != nil {
				t.Errorf("writing 6 MiB to 8 MiB: %v", err)
			}
			requireFailure(t, remount(t, directory, "size=5M"), 1, "refuses size=5242880", "invalid argument", "more is in use")
			requireLimits(t, directory, 8<<20, 50)
			requireSuccess(t, remount(t, directory, "size=7M,nr_inodes=60"))
			requireLimits(t, directory, 7<<20, 60)
			if err := os.Remove(object); err != nil {
				t.Error(err)
			}
			awaitAllFree(t, directory)
			requireSuccess(t, remount(t, directory, "size=1M"))
			requireLimits(t, directory, 1<<20, 60)
			if got := optionsOf(t, directory); !strings.Contains(got, "size=1048576,nr_inodes=60,") ||
				!strings.Contains(got, "commit="+commit) {
				t.Errorf("the options in force are %s", got)
			}
			unmount(t, directory)
		})
	}
}

func TestRemountRefusals(t *testing.T) {
	t.Parallel()
	directory := mounted(t, "-o", "size=4M,nr_inodes=50")
	before := optionsOf(t, directory)
	for options, words := range map[string][]string{
		"sise=1G":               {`unknown option "sise"`, `did you mean "size"?`},
		"size=-1":               {`option "size=-1"`, "negative"},
		"commit=lazy":           {`option "commit=lazy"`, "needs a new mount"},
		"size=1G,mode=700":      {`option "mode=700"`, "needs a new mount"},
		"uid=77":                {`option "uid=77"`, "needs a new mount"},
		"store=/var":            {`option "store=/var"`, "needs a new mount"},
		"passthrough=off":       {`option "passthrough=off"`, "needs a new mount"},
		"fsname=other,ro":       {`option "fsname=other"`, "needs a new mount"},
		"noexec,ro,huge=seldom": {`"huge=seldom"`, "never, always, within_size, advise"},
		"suid":                  {`option "suid"`, "nosuid"},
	} {
		requireFailure(t, remount(t, directory, options), 2, words...)
	}
	if after := optionsOf(t, directory); after != before {
		t.Errorf("a refused remount changed the options from\n%s\nto\n%s", before, after)
	}
	if flags := mountFields(t, directory)[5]; flags != "rw,nosuid,nodev,relatime" {
		t.Errorf("a refused remount changed the flags to %s", flags)
	}
	requireSuccess(t, remount(t, directory, "commit=strict,nr_inodes=50")) // what is so already may be said
	unmount(t, directory)
}

func TestRemountReadOnlyAndBack(t *testing.T) {
	t.Parallel()
	directory := mounted(t, "-o", "size=4M")
	object := filepath.Join(directory, "object")
	writeFile(t, object, "text")
	requireSuccess(t, whenFree(func() result { return remount(t, directory, "ro") }))
	if err := os.WriteFile(object, nil, 0o644); !isErrno(err, unix.EROFS) {
		t.Errorf("writing to a read-only mount: %v, want EROFS", err)
	}
	requireText(t, object, "text")
	// The limits of a read-only mount can change, and it stays read-only.
	requireSuccess(t, remount(t, directory, "size=8M"))
	var figures unix.Statfs_t
	if err := unix.Statfs(directory, &figures); err != nil || figures.Blocks*uint64(figures.Bsize) != 8<<20 {
		t.Errorf("%d blocks of %d, %v", figures.Blocks, figures.Bsize, err)
	}
	if err := os.WriteFile(object, nil, 0o644); !isErrno(err, unix.EROFS) {
		t.Errorf("writing after the limits changed: %v, want EROFS", err)
	}
	fields := mountFields(t, directory)
	if super := fields[len(fields)-1]; !strings.HasPrefix(super, "ro,") {
		t.Errorf("the file system under the mount is left %s", super)
	}
	if got := optionsOf(t, directory); !strings.HasPrefix(got, "ro,") {
		t.Errorf("the options in force are %s", got)
	}
	requireSuccess(t, remount(t, directory, "rw"))
	writeFile(t, object, "more")
	for _, flag := range []string{"rw", "nosuid", "nodev", "relatime"} {
		if flags := mountFields(t, directory)[5]; !slices.Contains(strings.Split(flags, ","), flag) {
			t.Errorf("after two remounts the flags are %s", flags)
		}
	}
	unmount(t, directory)
}

func TestRemountOfAMountThatBeganReadOnly(t *testing.T) {
	t.Parallel()
	directory := mounted(t, "-o", "ro,size=4M,nr_inodes=50")
	requireSuccess(t, remount(t, directory, "size=8M"))
	requireLimits(t, directory, 8<<20, 50)
	requireSuccess(t, remount(t, directory, "rw,size=16M"))
	requireLimits(t, directory, 16<<20, 50)
	writeFile(t, filepath.Join(directory, "object"), "text")
	unmount(t, directory)
}

func TestRemountReadOnlyWithWriters(t *testing.T) {
	t.Parallel()
	directory := mounted(t, "-o", "size=4M,nr_inodes=50")
	before := optionsOf(t, directory)
	file := openObject(t, directory)
	requireFailure(t, remount(t, directory, "ro,size=8M"), 8, directory, "open for writing", "fuser -vm")
	requireLimits(t, directory, 4<<20, 50)
	if after := optionsOf(t, directory); after != before {
		t.Errorf("a refused remount changed the options from\n%s\nto\n%s", before, after)
	}
	if _, err := file.WriteAt([]byte("x"), 0); err != nil {
		t.Errorf("writing after the refusal: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	requireSuccess(t, whenFree(func() result { return remount(t, directory, "ro") }))
	unmount(t, directory)
}

func TestRemountNoexecAndBack(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	program := installProgram(t, directory)
	requireSuccess(t, remount(t, directory, "noexec"))
	if err := exec.Command(program).Run(); !isErrno(err, unix.EACCES) {
		t.Errorf("running a program on a noexec mount: %v, want EACCES", err)
	}
	requireSuccess(t, remount(t, directory, "exec"))
	if err := exec.Command(program).Run(); err != nil {
		t.Errorf("running a program after exec: %v", err)
	}
	unmount(t, directory)
}
