package fs

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// wantHugeLine fails unless a file's text says so of huge pages.
func (k *fakeKernel) wantHugeLine(node uint64, want string) {
	k.t.Helper()
	text, err := k.f.objectText(node, asker{})
	if err != nil {
		k.t.Fatalf("objectText: %v", err)
	}
	if !strings.Contains(string(text), "\nhuge: "+want+"\n") {
		k.t.Errorf("the text has no line %q:\n%s", "huge: "+want, text)
	}
}

func TestHugePagesAreTold(t *testing.T) {
	store, err := mmapcore.NewTmpfs(mmapcore.TmpfsOptions{Size: 64 << 20, Inodes: 100, Huge: "always", Mode: 0o777})
	if err != nil {
		t.Fatalf("making a tmpfs with huge pages (run the tests as root): %v", err)
	}
	kernel := newFakeKernelOn(t, store)
	node, _ := kernel.create("large")
	kernel.wantHugeLine(node, "0")
	object, err := kernel.f.tree.Open(node, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	const size, hugePage = 16 << 20, 2 << 20
	if err := object.Region().Resize(size); err != nil { // more than the ledger would allow
		t.Fatal(err)
	}
	mapping, err := object.Region().Map(0, size, mmapcore.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(mapping.Store32(size/2, 1), mapping.Unmap()); err != nil {
		t.Fatal(err)
	}
	kernel.wantHugeLine(node, fmt.Sprint(hugePage))
}

func TestHugePagesOfADirectoryStoreAreUnknown(t *testing.T) {
	kernel := newFakeKernel(t)
	node, _ := kernel.create("file")
	kernel.wantHugeLine(node, "0") // an empty file has none, whatever the store
	object, err := kernel.f.tree.Open(node, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	if _, err := object.WriteAt([]byte("some"), 0); err != nil {
		t.Fatal(err)
	}
	kernel.wantHugeLine(node, "-")
}
