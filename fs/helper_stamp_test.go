package fs

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// stamps are those that a memory's changes intended.
type stamps struct{ all []uint32 }

func (s *stamps) intend(stamp uint32) error {
	s.all = append(s.all, stamp)
	return nil
}

// settled is what there is to say of a stamp.
func settled(t *testing.T, memory *helperMemory, stamp uint32) bool {
	t.Helper()
	done, err := memory.Settle(stamp)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func (h *helped) memory(name string, inode uint64) *helperMemory {
	return &helperMemory{helper: h.helper, find: func() (helperTarget, error) { return by(name, inode), nil }}
}

// The first change may guess a wrong stamp, and is not made with it; the others know.
func TestHelperMemoryStamps(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 1)
	for range 2 {
		if err := h.Post(by("sem.a", inode), 1); err != nil {
			t.Fatal(err)
		}
	}
	memory, seen := h.memory("sem.a", inode), &stamps{}
	for _, change := range []struct {
		kind         semfs.Kind
		units, moved uint32
	}{{semfs.Post, 2, 2}, {semfs.Take, 4, 4}, {semfs.Set, 0, 0}, {semfs.Set, semfs.MaxValue - 1, semfs.MaxValue - 1}, {semfs.Return, 5, 1}} {
		if moved, err := memory.Change(change.kind, change.units, seen.intend); moved != change.moved || err != nil {
			t.Errorf("%+v: %d, %v", change, moved, err)
		}
	}
	if want := []uint32{0, 3, 4, 5, 6, 7}; !slices.Equal(seen.all, want) {
		t.Errorf("intended %d, want %d", seen.all, want)
	}
	for stamp := range uint32(9) {
		if got := settled(t, memory, stamp); got != (stamp == 7) {
			t.Errorf("stamp %d: %v", stamp, got)
		}
	}
	h.wantValue("sem.a", inode, semfs.MaxValue)
	_, err := memory.Change(semfs.Post, 1, seen.intend)
	wantErrno(t, "Post", err, unix.EOVERFLOW)
	_, err = memory.Change(semfs.Take, 1, func(uint32) error { return unix.ENOSPC })
	wantErrno(t, "Take that cannot be recorded", err, unix.ENOSPC)
	_, err = memory.Change(semfs.Join, 0, nil)
	if err == nil {
		_, err = memory.Change(semfs.Leave, 0, nil)
	}
	if err != nil {
		t.Error(err)
	}
}

// A change to which no answer came, because the process died, is made once or, which is certain, not at all.
func TestHelperThatDiesLeavesNothingOpen(t *testing.T) {
	for how, want := range map[string]uint32{"does what it does not answer": 4, "leaves with a request": 1} {
		t.Run(how, func(t *testing.T) {
			h := newHelped(t)
			inode := h.makeSemaphore("sem.a", semfs.Glibc, 1)
			good, processes := h.command, 0
			h.command = func(socket *os.File) *exec.Cmd {
				if processes++; processes > 1 {
					return good(socket)
				}
				arguments := []string{badHelperName, how, h.root, fmt.Sprint(deviceOf(t, h.root))}
				return &exec.Cmd{Path: "/proc/self/exe", Args: arguments, ExtraFiles: []*os.File{socket}}
			}
			memory, seen := h.memory("sem.a", inode), &stamps{}
			memory.next.Store(1)
			moved, err := memory.Change(semfs.Post, 3, seen.intend)
			if made := want != 1; made != (err == nil) || made != (moved == 3) || made != settled(t, memory, 1) {
				t.Errorf("moved %d, %v", moved, err)
			}
			if err != nil {
				wantErrno(t, "Post", err, unix.EIO)
			}
			h.wantValue("sem.a", inode, want)
			if !slices.Equal(seen.all, []uint32{1}) || processes != 2 {
				t.Errorf("intended %d in %d processes", seen.all, processes)
			}
		})
	}
}
