package greed

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	reading   = unix.O_RDONLY
	both      = unix.O_RDWR
	directory = unix.O_RDONLY | unix.O_DIRECTORY
	making    = unix.O_RDWR | unix.O_CREAT
)

// A user at the limit of open files is told so, and nothing is done; another notices nothing.
func TestHandles(t *testing.T) {
	inEach(t, places, "limit-handles=50", func(t *testing.T, m *mounted) {
		taker, other, root := act(t, greedy, "holder", m.path), act(t, modest, "holder", m.path), act(t, 0, "holder", m.path)
		shared, own := m.path+"/shared", fmt.Sprint(m.path, "/", greedy)
		taker.wantOpens("20", shared, both, 20)
		taker.wantOpens("10", own, directory, 10)
		taker.wantOpens("20 EMFILE", own+"/new%", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 30)
		m.await(greedy, "HANDLES", 50)
		for _, refused := range []struct {
			path  string
			flags int
		}{
			{shared, both}, {shared, unix.O_RDWR | unix.O_TRUNC}, {own, directory}, {own, unix.O_TMPFILE | unix.O_RDWR},
			{m.path + "/sem.refused", making}, {own + "/refused", making}, {m.path + "/.shmfs/stats", reading},
		} {
			taker.wantOpens("0 EMFILE", refused.path, refused.flags, 1)
		}
		other.wantOpens("45", shared, both, 45)
		other.wantOpens("5", fmt.Sprint(m.path, "/", modest, "/new%"), making, 5)
		other.wantOpens("0 EMFILE", shared, both, 1)
		root.wantOpens("200", shared, both, 200)
		for _, name := range []string{own + "/refused", own + "/new20", m.path + "/sem.refused"} {
			if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s, which could not be opened, was made: %v", name, err)
			}
		}
		if content, err := os.ReadFile(shared); err != nil || string(content) != "x" {
			t.Errorf("what could not be opened was truncated: %q, %v", content, err)
		}
		m.requireLogged("user " + strconv.Itoa(greedy) + " has 50 open files and directories, and limit-handles=50 allows no more: too many open files")
		if refused := number(m.stat("refused-handles")); refused != 9 {
			t.Errorf("%d were refused, want 9", refused)
		}
		for range 20 { // what is closed makes room at once
			taker.want("closed", "close")
			taker.wantOpens("1", shared, both, 1)
		}
		m.remount("limit-handles=60")
		taker.wantOpens("10 EMFILE", shared, both, 20)
		m.remount("limit-handles=5") // who has more keeps it
		taker.want("closed", "close")
		taker.wantOpens("0 EMFILE", shared, both, 1)
		m.remount("limit-handles=0")
		taker.wantOpens("100", shared, both, 100)
	})
}

// A user may wait only so often at a time; what the user does without waiting is not concerned, nor are other users.
func TestWaiters(t *testing.T) {
	inEach(t, []place{passthrough}, "limit-waiters=20", func(t *testing.T, m *mounted) {
		taker, other := act(t, greedy, "holder", m.path), act(t, modest, "holder", m.path)
		one, two := m.semaphore("one", 0), m.semaphore("two", 0)
		taker.wantOpens("10", one, both, 10)
		taker.wantOpens("10", two, both, 10)
		taker.want("begun", "wait write 20")
		m.await(greedy, "WAITERS", 20)
		taker.wantOpens("1", one, both, 1)
		taker.want("EAGAIN", "write wait")
		taker.want("EAGAIN", "write acquire")
		m.requireLogged("user " + strconv.Itoa(greedy) + " has 20 calls that wait, and limit-waiters=20 allows no more")

		other.wantOpens("1", one, both, 1)
		other.want("begun", "wait write 1")
		m.await(modest, "WAITERS", 1)
		taker.want("done", "write post") // by another's turn, or their own: who came first
		other.wantOpens("1", one, both, 1)
		for range 10 {
			other.want("done", "write post")
		}
		eventually(t, func() error {
			if ended := other.do("ended"); ended != "1 done" {
				return fmt.Errorf("the other user's wait ended so: %q", ended)
			}
			return nil
		})
		m.await(modest, "WAITERS", 0)
		m.await(greedy, "WAITERS", 10) // in the other semaphore
		taker.want("done", "write post")
		taker.want("done", "write wait")
		for range 3 {
			taker.wantOpens("1", one, both, 1)
			taker.want("begun", "wait write 1")
		}
		m.await(greedy, "WAITERS", 13)
	})
}

// One user cannot take all the threads that sleep in semaphores.
func TestSemaphoresWaitedIn(t *testing.T) {
	const most = 1500
	inEach(t, []place{passthrough}, "limit-waiters=0", func(t *testing.T, m *mounted) {
		taker, other := act(t, greedy, "holder", m.path), act(t, modest, "holder", m.path)
		for i := range most + 1 {
			m.semaphore(strconv.Itoa(i), 0)
		}
		taker.wantOpens(strconv.Itoa(most), m.path+"/sem.%", both, most)
		taker.want("begun", "wait write %d", most)
		m.await(greedy, "WAITERS", most)
		last := m.path + "/sem." + strconv.Itoa(most)
		taker.wantOpens("1", last, both, 1)
		taker.want("EAGAIN", "write wait")
		m.requireLogged("user " + strconv.Itoa(greedy) + " has 1500 semaphores in which calls wait or poll, as many as one user may")
		taker.wantOpens("1", m.path+"/sem.0", both, 1)
		taker.want("begun", "wait write 1") // where the user waits already
		m.await(greedy, "WAITERS", most+1)
		for _, path := range []string{last, m.path + "/sem.1"} {
			other.wantOpens("1", path, both, 1)
			other.want("begun", "wait write 1")
		}
		m.await(modest, "WAITERS", 2)
	})
}

// A user may have only so many files of the daemon's own tree open.
func TestReaders(t *testing.T) {
	inEach(t, places, "limit-readers=10", func(t *testing.T, m *mounted) {
		taker, other := act(t, greedy, "holder", m.path), act(t, modest, "holder", m.path)
		taker.wantOpens("6", m.path+"/.shmfs/events", reading, 6)
		taker.wantOpens("4 EMFILE", m.path+"/.shmfs/objects", reading, 5)
		m.await(greedy, "READERS", 10)
		taker.wantOpens("0 EMFILE", m.path+"/.shmfs/events", reading, 1)
		taker.wantOpens("0 EMFILE", m.path+"/.shmfs/object/shared", reading, 1)
		taker.wantOpens("5", m.path+"/.shmfs", directory, 5) // which keep nothing
		taker.wantOpens("5", m.path+"/shared", both, 5)
		m.requireLogged("user " + strconv.Itoa(greedy) + " has 10 open files of .shmfs, and limit-readers=10 allows no more")
		other.wantOpens("5", m.path+"/.shmfs/events", reading, 5)
		other.wantOpens("5", m.path+"/.shmfs/object/shared", reading, 5)
		m.remount("limit-readers=12")
		taker.wantOpens("2 EMFILE", m.path+"/.shmfs/stats", reading, 5)
	})
}
