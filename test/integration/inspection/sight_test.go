package inspection

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// hold opens and maps files, says "ready" and has them until its input ends.
func hold(paths []string) error {
	for _, path := range paths {
		descriptor, err := unix.Open(path, unix.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("opening %q: %w", path, err)
		}
		memory, err := unix.Mmap(descriptor, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return fmt.Errorf("mapping %q: %w", path, err)
		}
		memory[0]++
	}
	fmt.Println("ready")
	_, err := os.Stdin.Read(make([]byte, 1))
	return err
}

// holder starts a process of a user's that has files open and mapped, and returns its id.
func holder(t *testing.T, mount string, user uint32, paths ...string) int {
	t.Helper()
	command := as(user, exec.Command("/proc/self/exe", paths...))
	command.Env = append(os.Environ(), workerVariable+"=hold")
	return start(t, mount, command)
}

// scene is what TestWhoSeesWhat is about.
type scene struct {
	mount        string
	ofAnn, ofBen int // processes
	ofRoot       int
}

// inPlace is a path in the mount.
func (s *scene) inPlace(name string) string { return filepath.Join(s.mount, name) }

func newScene(t *testing.T, mount string) *scene {
	t.Helper()
	s := &scene{mount: mount}
	must(t, os.Mkdir(s.inPlace("private"), 0o700))
	for _, name := range []string{"private/secret", "anns", "bens", "roots"} {
		create(t, s.inPlace(name), strings.Repeat("x", 4096))
	}
	must(t, os.Link(s.inPlace("private/secret"), s.inPlace("visible")))
	for _, name := range []string{"private", "private/secret", "anns"} {
		must(t, os.Chown(s.inPlace(name), ann, ann))
	}
	must(t, os.Chown(s.inPlace("bens"), ben, ben))
	s.ofAnn = holder(t, mount, ann, s.inPlace("private/secret"), s.inPlace("anns"))
	s.ofBen = holder(t, mount, ben, s.inPlace("bens"))
	s.ofRoot = holder(t, mount, 0, s.inPlace("roots"), s.inPlace("bens"))
	return s
}

// TestWhoSeesWhat has each of three users look at what the others do.
func TestWhoSeesWhat(t *testing.T) {
	inEach(t, places, func(t *testing.T, mount string) {
		t.Cleanup(func() { released(t, mount) })
		s := newScene(t, mount)
		for _, user := range []uint32{ann, ben, 0} {
			for _, table := range []string{"handles", "maps"} {
				s.requireAsProc(t, user, table)
			}
			names := column(rig.Rows(t, textFor(t, user, mount, "objects")), "NAME")
			if secret := slices.Contains(names, "private/secret"); secret != (user != ben) || !slices.Contains(names, "private") {
				t.Errorf("user %d sees %q", user, names)
			}
			for _, file := range []string{"users", "quota", "stats", "metrics", "config", "version", "semaphores"} {
				if textFor(t, user, mount, file) == "" {
					t.Errorf("user %d sees nothing in %s", user, file)
				}
			}
		}
		s.requireObjects(t)
	})
}

// requireAsProc fails the test unless a table shows a user the processes, all of them, whose maps /proc shows that user.
func (s *scene) requireAsProc(t *testing.T, user uint32, table string) {
	t.Helper()
	content := textFor(t, user, s.mount, table)
	pids := column(rig.Rows(t, content), "PID")
	for _, pid := range []int{s.ofAnn, s.ofBen, s.ofRoot} {
		may := as(user, exec.Command("cat", fmt.Sprintf("/proc/%d/maps", pid))).Run() == nil
		if seen := slices.Contains(pids, itoa(pid)); seen != may {
			t.Errorf("user %d, process %d (ann's %d, ben's %d, root's %d): %s shows it: %v, /proc: %v", user, pid, s.ofAnn, s.ofBen, s.ofRoot, table, seen, may)
		}
	}
	if user == ben && strings.Contains(content, "secret") {
		t.Errorf("ben sees the secret in %s:\n%s", table, content)
	}
}

// requireObjects fails the test unless what there is on one object is for each who asks.
func (s *scene) requireObjects(t *testing.T) {
	t.Helper()
	if err := as(ben, exec.Command("cat", info(s.mount, "object/private/secret"))).Run(); err == nil {
		t.Error("ben may read everything about private/secret")
	}
	if err := as(ben, exec.Command("ls", info(s.mount, "object/private"))).Run(); err == nil {
		t.Error("ben may list object/private")
	}
	if content := textFor(t, ann, s.mount, "object/private/secret"); !strings.Contains(content, fmt.Sprintf("mapper: pid %d,", s.ofAnn)) {
		t.Errorf("ann does not see who maps the secret:\n%s", content)
	}
	if content := textFor(t, ben, s.mount, "object/visible"); strings.Contains(content, "secret") {
		t.Errorf("ben sees by another name of it how the secret is called:\n%s", content)
	}
	is := values(t, textFor(t, ben, s.mount, "object/bens"))
	if len(is["mapper"]) != 1 || len(is["open"]) != 1 || is["opens"][0] != "2" && !cached(t) {
		t.Errorf("of what ben and root have open and mapped ben sees %q and %q, opens %q", is["mapper"], is["open"], is["opens"])
	}
	if content := textFor(t, ben, s.mount, "object/anns"); strings.Contains(content, "pid "+itoa(s.ofAnn)) || !strings.Contains(content, "creator-pid: -\n") {
		t.Errorf("ben sees of ann's object:\n%s", content)
	}
	if content := textFor(t, 0, s.mount, "object/anns"); !strings.Contains(content, fmt.Sprintf("creator-pid: %d\n", os.Getpid())) {
		t.Errorf("root does not see who created ann's object:\n%s", content)
	}
}

// told is an event as it is read.
type told struct {
	Seq, Inode, UID, PID       uint64
	Time, Event, Object, To    string
	Command, Type, Flags, Mode string
	Opens, Size, Links         *int64
	Owner, Group, Units, Value *int64
	Wanted, Count              *int64
}

// TestWhoIsToldWhat has each of three users read events of what they and others do.
func TestWhoIsToldWhat(t *testing.T) {
	inEach(t, []place{places[0], places[2]}, func(t *testing.T, mount string) {
		must(t, os.Mkdir(filepath.Join(mount, "private"), 0o700))
		must(t, os.Chown(filepath.Join(mount, "private"), ann, ann))
		streams := map[uint32]*bufio.Scanner{}
		for _, user := range []uint32{ann, ben, 0} {
			streams[user] = stream(t, mount, user)
		}
		create(t, filepath.Join(mount, "private", "secret"), "x")
		must(t, os.Rename(filepath.Join(mount, "private", "secret"), filepath.Join(mount, "revealed")))
		create(t, filepath.Join(mount, "roots"), "x")
		touch := func(user uint32, name string) {
			if output, err := as(user, exec.Command("touch", filepath.Join(mount, name))).CombinedOutput(); err != nil {
				t.Fatalf("touch: %v, %s", err, output)
			}
		}
		touch(ann, "private/anns")
		touch(ann, "anns")
		touch(ben, "bens")
		create(t, filepath.Join(mount, "end"), "x")
		for user, lines := range streams {
			requireTold(t, user, untilEnd(t, lines))
		}
	})
}

// stream starts a reader of events of a user's, and returns when it has begun.
func stream(t *testing.T, mount string, user uint32) *bufio.Scanner {
	t.Helper()
	before := values(t, text(t, mount, "stats"))["event-readers"][0]
	command := as(user, exec.Command("cat", info(mount, "events")))
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	eventually(t, "a reader more", func() bool { return values(t, text(t, mount, "stats"))["event-readers"][0] != before })
	return bufio.NewScanner(output)
}

// untilEnd reads up to the event about the object "end".
func untilEnd(t *testing.T, lines *bufio.Scanner) []told {
	t.Helper()
	var all []told
	for lines.Scan() {
		var one told
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatalf("%v in %q", err, lines.Text())
		}
		if one.Object == "end" {
			return all
		}
		all = append(all, one)
	}
	t.Fatalf("the stream has ended: %v", lines.Err())
	return nil
}

func requireTold(t *testing.T, user uint32, events []told) {
	t.Helper()
	created := map[string]bool{}
	for _, event := range events {
		created[event.Object] = created[event.Object] || event.Event == "create"
		if user == ben && (strings.HasPrefix(event.Object, "private/") || strings.HasPrefix(event.To, "private/")) {
			t.Errorf("ben is told of %+v", event)
		}
		own := event.UID == uint64(user)
		if shown := event.PID != 0 && event.Command != ""; shown != (own || user == 0) && event.Event != "close" {
			t.Errorf("user %d is told of %+v", user, event)
		}
	}
	want := map[string]bool{"private/secret": user != ben, "private/anns": user != ben, "roots": true, "anns": true, "bens": true}
	for name, is := range want {
		if created[name] != is {
			t.Errorf("user %d is told that %s was created: %v, want %v", user, name, created[name], is)
		}
	}
}

// eventually polls a condition that no event tells of, until it holds.
func eventually(t testing.TB, want string, condition func() bool) {
	t.Helper()
	for deadline := timeIn(patience); !condition(); _, _ = unix.Poll(nil, 2) {
		if deadline() {
			t.Fatalf("not within %v: %s", patience, want)
		}
	}
}
