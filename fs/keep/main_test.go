package keep

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv(keeperVariable) != "" {
		os.Exit(keepAndDie())
	}
	goleak.VerifyTestMain(m)
}

// links makes the two ends of a connection.
func links(t *testing.T) (*Link, *Link) {
	t.Helper()
	ours, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
	})
	return ours, theirs
}

// document is a descriptor of a file that nobody else has and that holds a text.
func document(t *testing.T, text string) int {
	t.Helper()
	descriptor, err := unix.MemfdCreate("document", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Pwrite(descriptor, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(descriptor) })
	return descriptor
}

func contentOf(descriptor int) string {
	text := make([]byte, 64)
	n, err := unix.Pread(descriptor, text, 0)
	if err != nil {
		return fmt.Sprint("(cannot be read: ", err, ")")
	}
	return string(text[:n])
}

func receive(t *testing.T, link *Link) Message {
	t.Helper()
	m, err := link.Receive()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func requireEnd(t *testing.T, link *Link) {
	t.Helper()
	if m, err := link.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("received %+v, %v, want the end", m, err)
	}
}
