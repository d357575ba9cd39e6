package fs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"shmfs/mmapcore"
	"shmfs/objects"
	"shmfs/semfs"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// orphanage is a file system over a directory store, without mount. In passthrough mode clients hold open files of the store: here
// those of this process take their place.
type orphanage struct {
	*Filesystem
	t     *testing.T
	store string
	log   *lockedBuffer
}

// lockedBuffer is what goroutines log to.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *lockedBuffer) contains(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.text.String(), text)
}

func newOrphanage(t *testing.T, passthrough bool) *orphanage {
	t.Helper()
	o := &orphanage{t: t, store: t.TempDir(), log: &lockedBuffer{}}
	store, err := mmapcore.OpenDirectory(o.store)
	o.want(err)
	tree, err := objects.New(store, objects.NewLedger(1<<20))
	o.want(err)
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: o.log})
	o.Filesystem = newFilesystem(tree, newState(t), facts{Options: DefaultOptions(), Started: unix.NsecToTimespec(time.Now().UnixNano())}, logger)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	o.want(err)
	o.want(o.attach(os.NewFile(uintptr(pair[0]), "/dev/fuse"), agreement{minor: newestMinor, flags: cachedTerms.flags(1<<64 - 1), passthrough: passthrough}))
	o.want(o.takeUp())
	o.passthru = false // there is no kernel to register backing files with
	t.Cleanup(func() {
		o.want(o.Close())
		o.want(unix.Close(pair[1]))
	})
	return o
}

func (o *orphanage) want(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// semaphore makes one that began with 3 units and has 1 now, and a waiter that is gone.
func (o *orphanage) semaphore(name string) (node uint64) {
	o.t.Helper()
	entry, object, err := o.tree.Create(objects.RootID, name, 0o600, objects.Caller{})
	o.want(err)
	image, err := semfs.Image(semfs.Glibc, 3)
	o.want(err)
	binary.LittleEndian.PutUint64(image, 1<<32|1)
	_, err = object.WriteAt(image, 0)
	o.want(err)
	o.want(object.Close())
	o.semaphores.handOut(entry.ID, 1, false)
	return entry.ID
}

// set sets the attribute as a request of that number does.
func (o *orphanage) set(node uint64, value string, request uint64) {
	o.t.Helper()
	o.want(o.checkOrphanAttribute(node, orphanAttribute, []byte(value)))
	o.want(o.settingOrphanAttribute(node, orphanAttribute, request, func() error {
		return o.tree.Setxattr(node, orphanAttribute, []byte(value), 0)
	}))
}

func (o *orphanage) opened(node uint64) *opened {
	o.t.Helper()
	file, err := o.open(node, unix.O_RDWR)
	o.want(err)
	return file
}

// released closes one handle, as a RELEASE of that number does.
func (o *orphanage) released(file *opened, request uint64) {
	o.noteRelease(file, request)
	o.release(file)
}

// openedAgain makes a semaphore that is to be removed, and that was left while it is mapped, and so watched, until it was opened again.
func (o *orphanage) openedAgain(name string) (node uint64, file *opened, mapping *os.File) {
	o.t.Helper()
	node = o.semaphore(name)
	o.set(node, orphanRemove, 1)
	mapping = o.inStore(name)
	o.released(o.opened(node), 2)
	o.eventually("it is watched", func() bool { return o.orphans.watches(node) })
	file = o.opened(node)
	o.eventually("it is not watched while it is open", func() bool {
		o.want(o.inStore(name).Close()) // which the kernel tells of
		return !o.orphans.watches(node)
	})
	return node, file, mapping
}

// inStore opens a semaphore's file as a client's mapping holds it open.
func (o *orphanage) inStore(name string) *os.File {
	o.t.Helper()
	file, err := os.OpenFile(filepath.Join(o.store, name), os.O_RDWR, 0)
	o.want(err)
	return file
}

func (o *orphanage) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(o.store, name))
	return err == nil
}

// words are value and waiters.
func (o *orphanage) words(name string) uint64 {
	o.t.Helper()
	content, err := os.ReadFile(filepath.Join(o.store, name))
	o.want(err)
	return binary.LittleEndian.Uint64(content)
}

// settled waits until nothing is being looked at.
func (o *orphanage) settled() {
	o.t.Helper()
	o.eventually("no gate is closed", func() bool {
		o.openings.mu.Lock()
		defer o.openings.mu.Unlock()
		return len(o.openings.gates) == 0
	})
}

func (o *orphanage) eventually(what string, holds func() bool) {
	o.t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			o.t.Fatalf("%s: not so in time", what)
		}
	}
}

func (o *orphanage) eventuallyGone(name string) {
	o.t.Helper()
	o.eventually(name+" is removed", func() bool { return !o.exists(name) })
}

// inBothModes runs a test without and with passthrough.
func inBothModes(t *testing.T, test func(t *testing.T, o *orphanage)) {
	for name, passthrough := range map[string]bool{"cached": false, "passthrough": true} {
		t.Run(name, func(t *testing.T) { test(t, newOrphanage(t, passthrough)) })
	}
}

func TestSemaphoreIsRemovedAtItsLastClose(t *testing.T) {
	inBothModes(t, func(t *testing.T, o *orphanage) {
		node := o.semaphore("sem.a")
		o.set(node, orphanRemove, 1)
		first, second := o.opened(node), o.opened(node)
		o.released(first, 2)
		o.settled()
		if !o.exists("sem.a") {
			t.Fatal("it was removed while somebody has it open")
		}
		o.released(second, 3)
		o.eventuallyGone("sem.a")
	})
}

func TestSemaphoreIsResetAtItsLastClose(t *testing.T) {
	inBothModes(t, func(t *testing.T, o *orphanage) {
		node := o.semaphore("sem.a")
		o.set(node, orphanReset, 1)
		for request := uint64(2); request < 5; request++ {
			object := o.opened(node)
			_, err := object.object.WriteAt([]byte{9, 0, 0, 0, 7}, 0)
			o.want(err)
			o.released(object, request)
			o.eventually("it is reset", func() bool { return o.words("sem.a") == 3 })
		}
	})
}

func TestSemaphoreIsKept(t *testing.T) {
	inBothModes(t, func(t *testing.T, o *orphanage) {
		node, other := o.semaphore("sem.a"), o.semaphore("sem.b")
		o.set(node, orphanKeep, 1)
		o.released(o.opened(node), 2)
		o.released(o.opened(other), 3)
		o.settled()
		for _, name := range []string{"sem.a", "sem.b"} {
			if words := o.words(name); words != 1<<32|1 {
				t.Errorf("%s has words %#x", name, words)
			}
		}
	})
}

// Setting the attribute of a semaphore that nobody uses is the usual way to begin: it waits for its first users.
func TestAttributeOfUnusedSemaphoreWaitsForUsers(t *testing.T) {
	inBothModes(t, func(t *testing.T, o *orphanage) {
		node := o.semaphore("sem.a")
		o.set(node, orphanRemove, 5)
		o.settled()
		file := o.opened(node)
		o.set(node, orphanRemove, 7) // of the RELEASE, which is older, the daemon hears later
		o.released(file, 6)
		o.settled()
		if !o.exists("sem.a") {
			t.Fatal("it was removed although all had closed it when the attribute was set")
		}
		o.released(o.opened(node), 8)
		o.eventuallyGone("sem.a")
	})
}

func TestMappedSemaphoreLives(t *testing.T) {
	o := newOrphanage(t, true)
	node := o.semaphore("sem.a")
	o.set(node, orphanRemove, 1)
	mapping := o.inStore("sem.a")
	o.released(o.opened(node), 2)
	o.eventually("it is watched", func() bool { return o.orphans.watches(node) })
	o.settled()
	if !o.exists("sem.a") {
		t.Fatal("it was removed while somebody maps it")
	}
	o.want(mapping.Close())
	o.eventuallyGone("sem.a")
	o.eventually("it is not watched any more", func() bool { return !o.orphans.watches(node) })
}

func TestAttributeOfMappedSemaphore(t *testing.T) {
	o := newOrphanage(t, true)
	node := o.semaphore("sem.a")
	mapping := o.inStore("sem.a")
	o.set(node, orphanRemove, 1)
	o.eventually("it is watched", func() bool { return o.orphans.watches(node) })
	o.settled()
	if !o.exists("sem.a") {
		t.Fatal("it was removed while somebody maps it")
	}
	o.want(mapping.Close())
	o.eventuallyGone("sem.a")
}

// Who goes on when the process has died knows what there is to find out.
func TestWhatIsLeftOutlivesTheProcess(t *testing.T) {
	o := newOrphanage(t, true)
	node := o.semaphore("sem.a")
	require := func(when string, want map[uint64]bool) {
		t.Helper()
		o.eventually(fmt.Sprintf("%s there is left %v", when, want), func() bool { return maps.Equal(nodesOf(o.state).allLeft(), want) })
	}
	o.set(node, orphanReset, 1)
	require("behind setting the attribute", nil)
	mapping := o.inStore("sem.a")
	o.set(node, orphanReset, 3)
	require("while somebody maps the semaphore", map[uint64]bool{node: false})
	o.want(mapping.Close())
	o.eventually("it is reset", func() bool { return o.words("sem.a") == 3 })
	require("behind resetting", nil)
	mapping = o.inStore("sem.a")
	o.released(o.opened(node), 4)
	require("while it is mapped still", map[uint64]bool{node: false})
	o.want(mapping.Close())
	require("behind the last user", nil)
}

// Where there is no inotify, the clock serves.
func TestWithoutNotices(t *testing.T) {
	o := newOrphanage(t, true)
	o.orphans.notices = &notices{broken: errors.New("none")}
	node := o.semaphore("sem.a")
	o.set(node, orphanReset, 1)
	mapping := o.inStore("sem.a")
	o.released(o.opened(node), 2)
	o.eventually("it is watched", func() bool { return o.orphans.watches(node) })
	o.want(mapping.Close())
	o.eventually("it is reset", func() bool { return o.words("sem.a") == 3 })
}

// A semaphore that is opened again is not watched: who closes it looks again. One whose attribute goes is not either.
func TestWatchEnds(t *testing.T) {
	o := newOrphanage(t, true)
	node, file, mapping := o.openedAgain("sem.a")
	defer mapping.Close()
	o.released(file, 3)
	o.eventually("it is watched", func() bool { return o.orphans.watches(node) })
	o.want(o.tree.Removexattr(node, orphanAttribute))
	o.eventually("it is not watched without attribute", func() bool {
		o.want(o.inStore("sem.a").Close())
		return !o.orphans.watches(node)
	})
}

// The end of the daemon is not that of the clients.
func TestCloseLeavesSemaphoresAlone(t *testing.T) {
	o := newOrphanage(t, true)
	node := o.semaphore("sem.a")
	o.set(node, orphanRemove, 1)
	mapping := o.inStore("sem.a")
	file := o.opened(node)
	o.released(o.opened(node), 2)
	o.orphans.stop()
	o.released(file, 3)
	o.want(mapping.Close())
	o.orphans.wait()
	if !o.exists("sem.a") {
		t.Error("it was removed")
	}
}

// Whoever opens a semaphore that is being acted on waits, and then finds it reset or not at all.
func TestOpenWaitsAtTheGate(t *testing.T) {
	o := newOrphanage(t, false)
	node := o.semaphore("sem.a")
	for _, erased := range []bool{false, true} {
		closed := o.closeGate(node, true)
		if closed == nil {
			t.Fatal("the gate cannot be closed")
		}
		if o.closeGate(node, false) != nil {
			t.Fatal("it can be closed twice")
		}
		result := make(chan error)
		go func() {
			file, err := o.open(node, unix.O_RDWR)
			if err == nil {
				o.release(file)
			}
			result <- err
		}()
		closed.erased = erased
		if again, armed := o.openGate(node, closed); !again || armed {
			t.Errorf("who came to a closed gate is forgotten: %v, %v", again, armed)
		}
		// It may have come too late to wait.
		if err := <-result; err != nil && (!erased || !errors.Is(err, unix.ESTALE)) {
			t.Errorf("opening (the file is erased: %v): %v", erased, err)
		}
	}
}

// Opening and leaving without pause, and what is done when all have left: each sees a semaphore reset or one in use.
func TestOpeningsRaceResets(t *testing.T) {
	inBothModes(t, func(t *testing.T, o *orphanage) {
		node := o.semaphore("sem.a")
		o.set(node, orphanReset, 1)
		var users sync.WaitGroup
		for user := range 4 {
			users.Go(func() {
				for round := range 200 {
					file, err := o.open(node, unix.O_RDWR)
					if err != nil {
						t.Errorf("opening: %v", err)
						return
					}
					o.released(file, uint64(user+4*round+2))
				}
			})
		}
		users.Wait()
		o.eventually("it is reset", func() bool { return o.words("sem.a") == 3 })
		o.settled()
	})
}

func TestUnknownInitialValueIsLeftAlone(t *testing.T) {
	o := newOrphanage(t, false)
	node := o.semaphore("sem.a")
	o.set(node, orphanReset, 1)
	file := o.opened(node)
	_, err := file.object.WriteAt(make([]byte, 8), 16)
	o.want(err)
	o.released(file, 2)
	o.eventually("it is logged", func() bool { return o.log.contains("its initial value is not known") })
	if words := o.words("sem.a"); words != 1<<32|1 {
		t.Errorf("words are %#x", words)
	}
}

func TestOrphanAttributeIsChecked(t *testing.T) {
	o := newOrphanage(t, false)
	node := o.semaphore("sem.a")
	for _, value := range []string{"", "Remove", "remove\n", "delete"} {
		if err := o.checkOrphanAttribute(node, orphanAttribute, []byte(value)); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%q: error is %v, want EINVAL", value, err)
		}
	}
	if !o.log.contains("attribute refused") {
		t.Error("nothing is logged")
	}
	o.want(o.checkOrphanAttribute(node, "user.other", []byte("delete")))
	entry, object, err := o.tree.Create(objects.RootID, "plain", 0o600, objects.Caller{})
	o.want(err)
	o.want(object.Close())
	o.want(o.checkOrphanAttribute(entry.ID, orphanAttribute, []byte("delete")))
}
