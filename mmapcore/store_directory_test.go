package mmapcore

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenDirectoryLetsOneStoreIn(t *testing.T) {
	checkNoDescriptorLeft(t)
	path := t.TempDir()
	store, err := OpenDirectory(path)
	wantNoError(t, "OpenDirectory", err)
	_, err = OpenDirectory(path)
	wantError(t, "a second store", err, unix.EWOULDBLOCK)
	other, err := OpenDirectory(t.TempDir())
	wantNoError(t, "a store elsewhere", err)
	wantNoError(t, "closing the other", other.Close())
	wantNoError(t, "closing the first", store.Close())
	store, err = OpenDirectory(path)
	wantNoError(t, "after the first is closed", err)
	wantNoError(t, "closing", store.Close())
}

// The lock is the directory's, not the path's.
func TestOpenDirectoryKnowsADirectoryByAnotherPath(t *testing.T) {
	checkNoDescriptorLeft(t)
	path := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	wantNoError(t, "symlink", os.Symlink(path, link))
	store, err := OpenDirectory(path)
	wantNoError(t, "OpenDirectory", err)
	defer store.Close()
	_, err = OpenDirectory(link)
	wantError(t, "by a symbolic link", err, unix.EWOULDBLOCK)
}

func TestOpenDirectoryRefusesOthers(t *testing.T) {
	checkNoDescriptorLeft(t)
	directory := t.TempDir()
	file := filepath.Join(directory, "file")
	wantNoError(t, "creating a file", os.WriteFile(file, nil, 0o600))
	_, err := OpenDirectory(filepath.Join(directory, "absent"))
	wantError(t, "what is not there", err, unix.ENOENT)
	_, err = OpenDirectory(file)
	wantError(t, "a file", err, unix.ENOTDIR)
	if _, err := os.Stat(filepath.Join(directory, "absent")); !os.IsNotExist(err) {
		t.Errorf("the absent directory: %v", err)
	}
}

func TestDirectoryStoreHoldsWhatItHeld(t *testing.T) {
	checkNoDescriptorLeft(t)
	path := t.TempDir()
	store, err := OpenDirectory(path)
	wantNoError(t, "OpenDirectory", err)
	region := NewRegion(createIn(t, store, "file"))
	_, err = region.WriteAt([]byte("kept"), 0)
	wantNoError(t, "WriteAt", err)
	handle, err := store.Identify(region.Descriptor())
	wantNoError(t, "Identify", err)
	wantNoError(t, "closing the region", region.Close())
	wantNoError(t, "closing the store", store.Close())

	store, err = OpenDirectory(path)
	wantNoError(t, "OpenDirectory again", err)
	defer store.Close()
	descriptor, err := store.Reopen(handle, unix.O_RDONLY)
	wantNoError(t, "Reopen", err)
	got := make([]byte, 4)
	if _, err := newRegion(t, descriptor).ReadAt(got, 0); err != nil || string(got) != "kept" {
		t.Errorf("read %q, %v", got, err)
	}
}
