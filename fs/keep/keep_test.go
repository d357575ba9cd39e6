package keep

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// obeyAll has a holder do what comes over a link until its end.
func obeyAll(t *testing.T, link *Link) *Holder {
	t.Helper()
	holder := &Holder{}
	t.Cleanup(holder.Close)
	for {
		m, err := link.Receive()
		if err != nil {
			return holder
		}
		if err := holder.Obey(&m); err != nil {
			t.Error(err)
		}
	}
}

func requireHeld(t *testing.T, holder *Holder, want map[uint64]string) {
	t.Helper()
	held := holder.Take()
	for number, descriptor := range held {
		if got := contentOf(descriptor); got != want[number] {
			t.Errorf("under %d %q is held, want %q", number, got, want[number])
		}
		_ = unix.Close(descriptor)
	}
	if len(held) != len(want) {
		t.Errorf("%d descriptors are held, want %d", len(held), len(want))
	}
}

func TestHeldUntilLetGo(t *testing.T) {
	ours, theirs := links(t)
	client := NewClient(ours, nil)
	defer client.Close()
	for number, text := range map[uint64]string{1: "one", 2: "two", 3: "three"} {
		if err := client.Keep(number, document(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{client.LetGo(2), client.LetGo(2), client.LetGo(99), client.Keep(3, document(t, "three again"))} {
		if err != nil {
			t.Error(err)
		}
	}
	_ = ours.Close()
	requireHeld(t, obeyAll(t, theirs), map[uint64]string{1: "one", 3: "three again"})
}

// A successor is told everything, also what was asked of the one before when that was gone already.
func TestSuccessorHoldsEverything(t *testing.T) {
	first, theirs := links(t)
	const many = 3*MostFiles + 1
	before, err := unix.FcntlInt(uintptr(document(t, "of the worker before")), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint64]string{1000: "of the worker before"}
	client := NewClient(first, map[uint64]int{1000: before})
	defer client.Close()
	for number := range uint64(many) {
		if err := client.Keep(number, document(t, fmt.Sprint(number))); err != nil {
			t.Fatal(err)
		}
		want[number] = fmt.Sprint(number)
		if number == 100 { // few enough for the socket, which nobody reads
			_ = theirs.Close()
		}
	}
	if err := client.LetGo(5); err != nil {
		t.Fatal(err)
	}
	delete(want, 5)
	second, theirs := links(t)
	var holder *Holder
	var group sync.WaitGroup
	group.Go(func() { holder = obeyAll(t, theirs) })
	if err := client.Follow(second); err != nil {
		t.Fatal(err)
	}
	if err := client.Keep(2000, document(t, "later")); err != nil {
		t.Fatal(err)
	}
	want[2000] = "later"
	_ = second.Close()
	group.Wait()
	requireHeld(t, holder, want)
}

// A holder hands on what it holds, and a refused message changes nothing.
func TestHolderHandsOn(t *testing.T) {
	holder := &Holder{}
	defer holder.Close()
	want := map[uint64]string{}
	for number := range uint64(MostFiles + 10) {
		copied, err := unix.FcntlInt(uintptr(document(t, fmt.Sprint(number))), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := holder.Obey(&Message{Kind: Keep, Numbers: []uint64{number}, Files: []int{copied}}); err != nil {
			t.Fatal(err)
		}
		want[number] = fmt.Sprint(number)
	}
	for _, m := range []Message{{Kind: Keep, Numbers: []uint64{1, 2}}, {Kind: Hello}} {
		if err := holder.Obey(&m); !errors.Is(err, unix.EPROTO) {
			t.Errorf("%+v: %v, want EPROTO", m, err)
		}
	}
	ours, theirs := links(t)
	var next *Holder
	var group sync.WaitGroup
	group.Go(func() { next = obeyAll(t, theirs) })
	if err := holder.Send(ours); err != nil {
		t.Fatal(err)
	}
	_ = ours.Close()
	group.Wait()
	if holder.Count() != len(want) {
		t.Errorf("the one that handed on holds %d", holder.Count())
	}
	requireHeld(t, next, want)
}

// keeperVariable marks the copy of the test that keeps descriptors and dies.
const keeperVariable = "SHMFS_TEST_KEEPER"

// A process that is killed right after it asked has what it asked for.
func TestKeptBeyondAKilledProcess(t *testing.T) {
	ours, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), keeperVariable+"=1")
	command.ExtraFiles = []*os.File{theirs}
	command.Stderr = os.Stderr
	err = command.Run()
	_ = theirs.Close()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Fatalf("it ended with %v", err)
	}
	want := map[uint64]string{}
	for number := range uint64(20) {
		want[number] = fmt.Sprint(number)
	}
	requireHeld(t, obeyAll(t, ours), want)
}

// keepAndDie is that copy: nobody reads what it says before it is dead.
func keepAndDie() int {
	link, err := Open(os.NewFile(3, "link"))
	client := NewClient(link, nil)
	for number := range uint64(20) {
		descriptor, made := unix.MemfdCreate("document", unix.MFD_CLOEXEC)
		_, written := unix.Pwrite(descriptor, []byte(fmt.Sprint(number)), 0)
		err = errors.Join(err, made, written, client.Keep(number, descriptor))
	}
	if err == nil {
		err = unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
