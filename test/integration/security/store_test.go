package security

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// scene is a mount of root's whose store directory is ann's.
type scene struct {
	t            *testing.T
	mount, store string
	outside      string // where ann may do what she likes, on the same file system
	secret       string // a file that only root may read
}

func newScene(t *testing.T, options string) *scene {
	t.Helper()
	outside := publicDirectory(t)
	s := &scene{t: t, outside: outside, store: outside + "/store", secret: outside + "/secret"}
	must(t, os.Mkdir(s.store, 0o755))
	must(t, os.WriteFile(s.secret, []byte("the secret"), 0o600))
	for _, path := range []string{s.outside, s.store} {
		must(t, os.Chown(path, ann, ann))
	}
	s.mount = rig.Shmfs(t, options+",store="+s.store)
	return s
}

// ann runs a command of ann's.
func (s *scene) ann(name string, arguments ...string) rig.Ended {
	s.t.Helper()
	return rig.Run(s.t, s.mount, patience, as(ann, exec.Command(name, arguments...)))[0]
}

// mustAnn is ann for what has to succeed.
func (s *scene) mustAnn(name string, arguments ...string) {
	s.t.Helper()
	if ended := s.ann(name, arguments...); ended.Err != nil {
		s.t.Fatalf("%s %q: %v\n%s", name, arguments, ended.Err, ended.Stderr)
	}
}

// alive fails the test unless the daemon answers everybody, and tells of the mount.
func (s *scene) alive(after string) {
	s.t.Helper()
	for _, name := range []string{"objects", "semaphores", "users", "stats", "metrics", "maps", "handles"} {
		rig.MustRun(s.t, s.mount, patience, exec.Command("cat", filepath.Join(s.mount, ".shmfs", name)))
		rig.MustRun(s.t, s.mount, patience, as(ben, exec.Command("cat", filepath.Join(s.mount, ".shmfs", name))))
	}
	if restarts := s.figure("worker-restarts"); restarts != "0" {
		s.t.Errorf("after %s the worker was started anew %s times", after, restarts)
	}
	if ended := rig.Run(s.t, s.mount, patience, exec.Command("/bin/sh", "-c", `ls "$0" > /dev/null && df "$0"`, s.mount))[0]; ended.Err != nil {
		s.t.Errorf("after %s: %v\n%s", after, ended.Err, ended.Stderr)
	}
}

// figure is one of the mount's figures.
func (s *scene) figure(key string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.mount + "/.shmfs/stats")
	must(s.t, err)
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, key+": "); found {
			return strings.TrimSpace(value)
		}
	}
	s.t.Fatalf("there is no %s in\n%s", key, text)
	return ""
}

// healthy is alive, and that objects are made and removed.
func (s *scene) healthy(after string) {
	s.t.Helper()
	s.alive(after)
	script := `set -e; echo text > "$0/probe"; test "$(cat "$0/probe")" = text; rm "$0/probe"`
	if ended := rig.Run(s.t, s.mount, patience, exec.Command("/bin/sh", "-c", script, s.mount))[0]; ended.Err != nil {
		s.t.Errorf("after %s: %v\n%s", after, ended.Err, ended.Stderr)
	}
}

// TestHostileStore has ann, whose directory the store is, change it while it is in use, and try to have root's daemon do what she may not.
func TestHostileStore(t *testing.T) {
	inEachMode(t, func(t *testing.T, options string) {
		s := newScene(t, options)
		for _, name := range []string{"link", "hard", "fifo", "socket", "gone", "short"} {
			create(t, s.mount+"/"+name, ann, 0o644)
		}
		must(t, os.Mkdir(s.mount+"/directory", 0o777))
		must(t, os.Mkdir(s.mount+"/directory/inner", 0o777))
		must(t, os.Chown(s.mount+"/directory", ann, ann))
		create(t, s.mount+"/directory/inner/file", ann, 0o644)
		semaphore(t, s.mount+"/sem.jobs", ann, 0o666)
		semaphore(t, s.mount+"/sem.link", ann, 0o666)
		s.healthy("nothing")

		// From here on files go without the daemon being told, and their numbers may become others'.
		s.mustAnn("ln", "-sf", s.secret, s.store+"/link")
		s.mustAnn("ln", "-sf", s.secret, s.store+"/sem.link")
		s.mustAnn("ln", "-sfn", s.outside, s.store+"/up")
		_ = s.ann("ln", "-f", s.secret, s.store+"/hard") // if the machine lets her
		for _, name := range []string{"link", "sem.link", "hard", "up/secret"} {
			if ended := s.ann("cat", s.mount+"/"+name); strings.Contains(ended.Stdout, "secret") {
				t.Errorf("ann reads root's file as %s", name)
			}
			_ = s.ann("sh", "-c", `echo post > "$0"`, s.mount+"/"+name)
		}
		s.alive("links")

		s.mustAnn("sh", "-c", `rm "$0/fifo" "$0/socket" "$0/gone" && mkfifo "$0/fifo" "$0/socket"`, s.store)
		for _, name := range []string{"fifo", "socket", "gone"} {
			_ = s.ann("timeout", "1", "cat", s.mount+"/"+name) // it may be another FIFO, which nobody writes to
			_ = s.ann("truncate", "-s", "100", s.mount+"/"+name)
		}
		s.alive("FIFOs in the place of files")

		s.mustAnn("mv", s.store+"/directory", s.outside+"/directory")
		for _, path := range []string{"directory/inner/file", "directory/inner/../inner/file", "directory/inner/new"} {
			_ = s.ann("sh", "-c", `cat "$0"; ls -la "$0/.." ; touch "$0"`, s.mount+"/"+path)
		}
		if _, err := os.Stat(s.mount + "/directory/../secret"); err == nil {
			t.Error("what lies above a directory that was moved away is to be had")
		}
		s.alive("a directory moved away")

		s.mustAnn("truncate", "-s", "0", s.store+"/sem.jobs")
		s.mustAnn("truncate", "-s", "0", s.store+"/short")
		for _, command := range []string{"post", "trywait", "set 2"} {
			_ = s.ann("sh", "-c", `echo "$1" > "$0"`, s.mount+"/sem.jobs", command)
			_ = s.ann("cat", s.mount+"/sem.jobs", s.mount+"/short")
		}
		s.alive("files cut off")

		s.mustAnn("sh", "-c", `rm -rf "$0"/*`, s.store)
		s.alive("everything is gone")
		if content, err := os.ReadFile(s.secret); err != nil || string(content) != "the secret" {
			t.Errorf("root's file holds %q, %v", content, err)
		}
	})
}

// TestSpecialFilesInTheStore has a store hold device nodes and set-user-ID programs, which somebody has brought along.
func TestSpecialFilesInTheStore(t *testing.T) {
	inEachMode(t, func(t *testing.T, options string) {
		s := newScene(t, options)
		must(t, unix.Mknod(s.store+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		must(t, unix.Mknod(s.store+"/sem.null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		must(t, unix.Mkfifo(s.store+"/sem.fifo", 0o666))
		for _, name := range []string{"null", "sem.null", "sem.fifo"} {
			must(t, unix.Chmod(s.store+"/"+name, 0o666))
		}
		rig.MustRun(t, s.mount, patience, exec.Command("cp", rig.Program(t, "id"), s.store+"/id"))
		must(t, unix.Chmod(s.store+"/id", 0o4755))
		for _, name := range []string{"null", "sem.null"} {
			if _, err := os.ReadFile(s.mount + "/" + name); !os.IsPermission(err) {
				t.Errorf("opening %s: %v", name, err)
			}
		}
		if user := rig.MustRun(t, s.mount, patience, as(ann, exec.Command(s.mount+"/id", "-u"))); user != fmt.Sprintln(ann) {
			t.Errorf("a set-user-ID program runs as %q", user)
		}
		s.healthy("special files")
	})
}

// TestHangingMountInTheStore has a file system mounted in the store directory whose daemon does not answer.
func TestHangingMountInTheStore(t *testing.T) {
	inEachMode(t, func(t *testing.T, options string) {
		s := newScene(t, options)
		must(t, os.Mkdir(s.store+"/hangs", 0o777))
		other := rig.ShmfsAt(t, s.store+"/hangs", "")
		create(t, other+"/file", ann, 0o644)
		stopped := workerOf(t, other)
		must(t, unix.Kill(stopped, unix.SIGSTOP))
		goOn := func() { _ = unix.Kill(stopped, unix.SIGCONT) }
		defer goOn()
		for _, script := range []string{`stat "$0/hangs"`, `cat "$0/hangs/file"`, `rmdir "$0/hangs"`, `mv "$0/hangs" "$0/moved"`} {
			if ended := rig.Run(t, s.mount, patience, exec.Command("/bin/sh", "-c", script, s.mount))[0]; ended.Err == nil ||
				!strings.Contains(ended.Stderr, "cross-device") && !strings.Contains(ended.Stderr, "No such file") {
				t.Errorf("%s: %v, %q", script, ended.Err, ended.Stderr)
			}
		}
		s.healthy("a mount that hangs")
	})
}
