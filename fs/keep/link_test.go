package keep

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMessagesArriveWhole(t *testing.T) {
	ours, theirs := links(t)
	sent := []Message{
		{Kind: Serving},
		{Kind: Hello, Text: []byte("what it is")},
		{Kind: Reload, Text: []byte(strings.Repeat("x", MostText))},
		{Kind: LetGo, Numbers: []uint64{1, 1<<64 - 1}},
		{Kind: Keep, Numbers: []uint64{7, 8}, Files: []int{document(t, "seven"), document(t, "eight")}},
	}
	for _, m := range sent {
		if err := ours.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range sent {
		got := receive(t, theirs)
		if got.Kind != want.Kind || !slices.Equal(got.Numbers, want.Numbers) || string(got.Text) != string(want.Text) || len(got.Files) != len(want.Files) {
			t.Fatalf("received %+v, want %+v", got, want)
		}
		for i, descriptor := range got.Files {
			if contentOf(descriptor) != contentOf(want.Files[i]) {
				t.Errorf("descriptor %d leads to %q", i, contentOf(descriptor))
			}
			flags, err := unix.FcntlInt(uintptr(descriptor), unix.F_GETFD, 0)
			if err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("a program that is started would have descriptor %d: %#x, %v", i, flags, err)
			}
		}
	}
}

func TestMostFilesInOneMessage(t *testing.T) {
	ours, theirs := links(t)
	m := Message{Kind: Keep}
	descriptor := document(t, "")
	for number := range uint64(MostFiles) {
		m.Numbers, m.Files = append(m.Numbers, number), append(m.Files, descriptor)
	}
	if err := ours.Send(m); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, theirs); len(got.Files) != MostFiles || !slices.Equal(got.Numbers, m.Numbers) {
		t.Errorf("%d descriptors arrived for %d numbers", len(got.Files), len(got.Numbers))
	}
	m.Files, m.Numbers = append(m.Files, descriptor), append(m.Numbers, 0)
	if err := ours.Send(m); !errors.Is(err, unix.E2BIG) {
		t.Errorf("one more: %v, want E2BIG", err)
	}
}

func TestTooMuchTextIsRefused(t *testing.T) {
	ours, _ := links(t)
	if err := ours.Send(Message{Kind: Hello, Text: make([]byte, MostText+1)}); !errors.Is(err, unix.E2BIG) {
		t.Errorf("%v, want E2BIG", err)
	}
}

// What was sent before an end arrives, although what that end had been sent was never read.
func TestWhatWasSentBeforeTheEndArrives(t *testing.T) {
	ours, theirs := links(t)
	if err := theirs.Send(Message{Kind: Serve}); err != nil {
		t.Fatal(err)
	}
	for number := range uint64(3) {
		if err := ours.Send(Message{Kind: Keep, Numbers: []uint64{number}, Files: []int{document(t, "text")}}); err != nil {
			t.Fatal(err)
		}
	}
	_ = ours.Close()
	for number := range uint64(3) {
		if got := receive(t, theirs); got.Numbers[0] != number || contentOf(got.Files[0]) != "text" {
			t.Errorf("received %+v", got)
		}
	}
	requireEnd(t, theirs)
	if err := theirs.Send(Message{Kind: Leave}); !Gone(err) {
		t.Errorf("sending to nobody: %v", err)
	}
}

func TestStopLeavesTheRestToBeTaken(t *testing.T) {
	ours, theirs := links(t)
	waited := make(chan error, 1)
	go func() {
		_, err := theirs.Receive()
		waited <- err
	}()
	theirs.Stop()
	if err := <-waited; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a stopped receiver fails with %v", err)
	}
	if _, err := theirs.Rest(); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("with nothing there: %v, want EAGAIN", err)
	}
	for _, kind := range []Kind{Keep, LetGo} {
		if err := ours.Send(Message{Kind: kind}); err != nil {
			t.Fatal(err)
		}
		if got, err := theirs.Rest(); err != nil || got.Kind != kind {
			t.Errorf("the rest is %+v, %v", got, err)
		}
	}
}

func TestManySendAtOnce(t *testing.T) {
	ours, theirs := links(t)
	const senders, each = 8, 200
	descriptor := document(t, "text")
	var group sync.WaitGroup
	for sender := range uint64(senders) {
		group.Go(func() {
			for range each {
				if err := ours.Send(Message{Kind: Keep, Numbers: []uint64{sender}, Files: []int{descriptor}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	counts := make([]int, senders)
	for range senders * each {
		m, err := theirs.Receive()
		if err != nil || len(m.Numbers) != 1 || len(m.Files) != 1 {
			t.Fatalf("received %+v, %v", m, err)
		}
		counts[m.Numbers[0]]++
		m.Close()
	}
	group.Wait()
	for sender, count := range counts {
		if count != each {
			t.Errorf("%d messages of sender %d arrived", count, sender)
		}
	}
}

// What comes from another program is refused, keeps nothing open and leaves the link as it was.
func TestMalformedMessagesAreRefused(t *testing.T) {
	good, err := (&Message{Kind: LetGo, Numbers: []uint64{1}}).encode()
	if err != nil {
		t.Fatal(err)
	}
	numbers := slices.Clone(good)
	le.PutUint32(numbers[8:], 1<<31)
	text := slices.Clone(good)
	le.PutUint32(text[12:], 1<<32-1)
	files := slices.Clone(good)
	le.PutUint16(files[6:], MostFiles+1)
	for name, data := range map[string][]byte{
		"short": good[:headerSize-1], "cut": good[:len(good)-1], "long": append(slices.Clone(good), 0), "numbers": numbers, "text": text,
		"files": files, "another format": append([]byte{0}, good[1:]...), "huge": make([]byte, messageSize+100),
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := links(t)
			before := openFiles(t)
			if _, _, err := ours.conn.WriteMsgUnix(data, unix.UnixRights(document(t, "")), nil); err != nil {
				t.Fatal(err)
			}
			if m, err := theirs.Receive(); !errors.Is(err, unix.EPROTO) {
				t.Errorf("received %+v, %v, want EPROTO", m, err)
			}
			if after := openFiles(t); after != before+1 { // the document
				t.Errorf("%d files are open, were %d", after, before)
			}
			if err := ours.Send(Message{Kind: Hello}); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, theirs); got.Kind != Hello {
				t.Errorf("received %+v after it", got)
			}
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestOtherSocketsAreNoLinks(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	stream := os.NewFile(uintptr(pair[0]), "stream")
	defer stream.Close()
	if _, err := Open(stream); !errors.Is(err, unix.ENOTSOCK) {
		t.Errorf("a stream: %v, want ENOTSOCK", err)
	}
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := Open(file); err == nil {
		t.Error("a file is taken for a link")
	}
}
