package fs

import (
	"testing"

	"bazil.org/fuse"
)

// On the way to a file the kernel asks for the access control lists of directories by itself, on an ordinary user's behalf. A thread that
// was sent back to look the name up again must be let in although it did, and not if it has gone on to something else.
func TestAccessListsAreAskedForOnTheWay(t *testing.T) {
	const semaphore, first, second = 7, 100, 200
	for _, c := range []struct {
		attribute string
		admitted  bool
	}{
		{"system.posix_acl_access", true},
		{"system.posix_acl_default", true},
		{"user.anything", false},
	} {
		t.Run(c.attribute, func(t *testing.T) {
			var s semaphoreNodes
			s.init()
			asks := &fuse.GetxattrRequest{Header: fuse.Header{Pid: second}, Name: c.attribute}
			s.handOut(semaphore, first, true)
			node := s.find(s.handOut(semaphore, second, true))
			if s.admit(node, second, 2) {
				t.Fatal("a thread is let in beside another that may be about to open the same node")
			}
			s.heard(asks)
			again := s.find(s.handOut(semaphore, second, true))
			if own := again.id&apartBit != 0; own != c.admitted {
				t.Errorf("the second look leads to a node of its own: %v, want %v", own, c.admitted)
			}
			s.heard(asks)
			if got := s.admit(again, second, 4); got != c.admitted {
				t.Errorf("the second opening is let in: %v, want %v", got, c.admitted)
			}
		})
	}
}
