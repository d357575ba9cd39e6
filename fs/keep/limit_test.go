package keep

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// Where this process may open no more files the receiver says so, loses no message that follows, and keeps nothing half.
func TestDescriptorsThatCannotBeTaken(t *testing.T) {
	ours, theirs := links(t)
	m := Message{Kind: Keep, Numbers: []uint64{1, 2}, Files: []int{document(t, "one"), document(t, "two")}}
	if err := errors.Join(ours.Send(m), ours.Send(Message{Kind: LetGo, Numbers: []uint64{1}})); err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	lowest, err := unix.FcntlInt(uintptr(document(t, "")), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(lowest)
	low := before
	low.Cur = uint64(lowest) + 1 // room for one
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	got, err := theirs.Receive()
	if restored := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); restored != nil {
		t.Fatal(restored)
	}
	if !errors.Is(err, unix.EMFILE) || len(got.Files) != 0 || len(got.Numbers) != 2 {
		t.Errorf("received %+v, %v, want the numbers and EMFILE", got, err)
	}
	if got := receive(t, theirs); got.Kind != LetGo {
		t.Errorf("received %+v after it", got)
	}
}
