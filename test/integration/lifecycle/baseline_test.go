package lifecycle_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// What clients opened, mapped, left without a name and listed is given back: the daemon's descriptors return to what they
// were, and so do the mount's bytes and inodes.
func TestDaemonReturnsToItsBaseline(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"commit=strict", "commit=lazy", "passthrough=off"} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			directory := mounted(t, "-o", "size=64M,"+options)
			daemon := rig.DaemonOf(t, directory)
			before := statfs(t, directory)
			useOnce(t, directory, 0) // whatever the daemon opens once and keeps
			descriptors := openDescriptors(t, daemon)
			var clients sync.WaitGroup
			for client := range 4 {
				clients.Go(func() {
					for round := range 100 {
						useOnce(t, directory, 1+client*100+round)
					}
				})
			}
			clients.Wait()
			// The kernel tells the daemon of the last close and the last munmap afterwards.
			for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				now, after := openDescriptors(t, daemon), statfs(t, directory)
				if now <= descriptors && after.Bfree >= before.Bfree && after.Ffree >= before.Ffree {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("descriptors %d, were %d; free blocks %d, were %d; free inodes %d, were %d",
						now, descriptors, after.Bfree, before.Bfree, after.Ffree, before.Ffree)
				}
			}
			unmount(t, directory)
		})
	}
}

// useOnce makes, opens, maps, links, lists and removes an object, closing it in a different order each time.
func useOnce(t *testing.T, directory string, number int) {
	path := filepath.Join(directory, fmt.Sprint("object-", number))
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	if err := file.Truncate(3 * 4096); err != nil {
		t.Error(err)
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, 3*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Error(err)
		return
	}
	if number%2 == 0 {
		_ = file.Close()
	}
	memory[4096] = byte(number)
	if err := os.Link(path, path+".link"); err != nil {
		t.Error(err)
	}
	if _, err := os.ReadDir(directory); err != nil {
		t.Error(err)
	}
	for _, name := range []string{path, path + ".link"} {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
	memory[2*4096] = byte(number)
	if err := unix.Munmap(memory); err != nil {
		t.Error(err)
	}
	if number%2 != 0 {
		_ = file.Close()
	}
}

// openDescriptors counts those of the worker, and of the supervisor all but those by which it watches workers.
func openDescriptors(t *testing.T, daemon rig.Daemon) int {
	t.Helper()
	count := 0
	for _, process := range []int{daemon.Supervisor, daemon.Worker} {
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", process))
		if err != nil || len(links) == 0 {
			t.Fatalf("the open files of process %d cannot be seen: %v", process, err)
		}
		for _, link := range links {
			target, err := os.Readlink(link)
			if err == nil && (process == daemon.Worker || !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "socket:")) {
				count++
			}
		}
	}
	return count
}

func statfs(t *testing.T, path string) unix.Statfs_t {
	t.Helper()
	var figures unix.Statfs_t
	if err := unix.Statfs(path, &figures); err != nil {
		t.Fatal(err)
	}
	return figures
}
