package lifecycle_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// What a thread of a killed worker is stuck in it does when it gets the lock, at the same time as the next worker, which was asked the same.
// It is done once, and whoever asked for it is told that it is.
func TestStuckWorkerDoesItLate(t *testing.T) {
	t.Parallel()
	const attribute = "trusted.late"
	for _, each := range []struct {
		name  string
		there bool // the attribute, at first
		call  uintptr
		do    func(path string) error
	}{
		{"setxattr", false, unix.SYS_SETXATTR, func(path string) error {
			return unix.Setxattr(path, attribute, []byte("value"), unix.XATTR_CREATE)
		}},
		{"removexattr", true, unix.SYS_REMOVEXATTR, func(path string) error { return unix.Removexattr(path, attribute) }},
	} {
		t.Run(each.name, func(t *testing.T) {
			t.Parallel()
			store := rig.Tmpfs(t, "")
			directory := mounted(t, "-o", "store="+store)
			path := filepath.Join(directory, "object")
			writeFile(t, path, "\x00text")
			if each.there {
				if err := unix.Setxattr(path, attribute, []byte("value"), 0); err != nil {
					t.Fatal(err)
				}
			}
			held := stallAt(t, filepath.Join(store, "object"))
			done := make(chan error, 1)
			go func() { done <- each.do(path) }()
			worker := rig.DaemonOf(t, directory).Worker
			awaitStuck(t, worker, each.call)
			dead := watch(t, worker)
			dead.signal(t, unix.SIGKILL)
			awaitStuck(t, rig.DaemonOf(t, directory).Worker, each.call)
			if err := held.end(); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Errorf("who asked is told %v", err)
			}
			if _, err := unix.Getxattr(path, attribute, nil); (err == nil) == each.there {
				t.Errorf("reading the attribute afterwards: %v", err)
			}
			if !dead.ended(t, patience) {
				t.Error("a worker that was stuck does not end")
			}
			unmount(t, directory)
		})
	}
}
