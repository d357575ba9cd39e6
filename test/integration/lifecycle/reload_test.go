package lifecycle_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// nextVersion is the program under test with another version's name in it.
var nextVersion = sync.OnceValues(func() ([]byte, error) {
	directory, err := os.MkdirTemp("", "shmfs-next-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	path := filepath.Join(directory, "shmfs")
	command := exec.Command("go", "build", "-ldflags", "-X shmfs/fs.version=next", "-o", path, "./cmd/shmfs")
	command.Dir = rig.Root()
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// installed is the program under test at a place where the test may put another.
func installed(t *testing.T) string {
	t.Helper()
	image, err := os.ReadFile(rig.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "shmfs")
	install(t, path, image)
	return path
}

// install puts a program in the place of another, as package managers do.
func install(t *testing.T, path string, image []byte) {
	t.Helper()
	if err := writeProgram(path+".new", image); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// mountedBy mounts with a program of the test's own.
func mountedBy(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	directory := mountpoint(t)
	requireSuccess(t, run(t, exec.Command(program, append(append([]string{"mount"}, arguments...), directory)...)))
	return directory
}

func versionOf(t *testing.T, directory string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(directory, ".shmfs", "stats"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\nversion: ")
	version, _, _ := strings.Cut(after, "\n")
	return version
}

// installNext puts the other version in the place of a program.
func installNext(t *testing.T, program string) {
	t.Helper()
	image, err := nextVersion()
	if err != nil {
		t.Fatalf("building another version: %v", err)
	}
	install(t, program, image)
}

// Reloading has the program that is on disk go on, and what was open stays open.
func TestReloadChangesTheProgram(t *testing.T) {
	t.Parallel()
	program := installed(t)
	directory := mountedBy(t, program)
	file := openObject(t, directory)
	before := rig.DaemonOf(t, directory)
	installNext(t, program)
	requireSuccess(t, shmfs(t, "reload", directory))
	after := rig.DaemonOf(t, directory)
	if after.Worker == before.Worker || after.Supervisor != before.Supervisor || after.Restarts != before.Restarts {
		t.Errorf("the daemon was %+v and is %+v", before, after)
	}
	if version := versionOf(t, directory); version != "next" {
		t.Errorf("version %s serves", version)
	}
	if _, err := file.WriteAt([]byte("text"), 4096); err != nil {
		t.Errorf("writing to what was open: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	// Whoever goes on in its place is of the same version.
	killWorker(t, directory)
	if version := versionOf(t, directory); version != "next" {
		t.Errorf("version %s serves after the worker has died", version)
	}
	unmount(t, directory)
}

// SIGHUP reloads too.
func TestSignalReloads(t *testing.T) {
	t.Parallel()
	program := installed(t)
	directory := mountedBy(t, program)
	before := rig.DaemonOf(t, directory)
	installNext(t, program)
	watch(t, before.Supervisor).signal(t, unix.SIGHUP)
	for deadline := time.Now().Add(patience); versionOf(t, directory) != "next"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the new program does not serve within %v", patience)
		}
	}
	if after := rig.DaemonOf(t, directory); after.Worker == before.Worker || after.Supervisor != before.Supervisor {
		t.Errorf("the daemon was %+v and is %+v", before, after)
	}
	unmount(t, directory)
}

// A program that cannot serve the mount changes nothing, and the caller is told why.
func TestReloadRefusesABrokenProgram(t *testing.T) {
	t.Parallel()
	ended, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	program := installed(t)
	directory := mountedBy(t, program)
	before := rig.DaemonOf(t, directory)
	for _, broken := range []struct {
		name  string
		image []byte
		words string
	}{
		{"no program", []byte("no program"), "exec format error"},
		{"one that ends", ended, "ended before it was ready: exit status 0"},
		{"none", nil, "no such file"},
	} {
		t.Run(broken.name, func(t *testing.T) {
			if broken.image != nil {
				install(t, program, broken.image)
			} else if err := os.Remove(program); err != nil {
				t.Fatal(err)
			}
			requireFailure(t, shmfs(t, "reload", directory), 1, directory+" goes on as it was", broken.words)
			if after := rig.DaemonOf(t, directory); after != before {
				t.Errorf("the daemon was %+v and is %+v", before, after)
			}
			writeFile(t, filepath.Join(directory, "object"), broken.name)
		})
	}
	killWorker(t, directory) // the program that is gone from the disk still goes on
	installNext(t, program)
	requireSuccess(t, shmfs(t, "reload", directory))
	unmount(t, directory)
}

func TestReloadOfWhatCannotBeReloaded(t *testing.T) {
	t.Parallel()
	directory := mountpoint(t)
	requireFailure(t, shmfs(t, "reload", directory), 7, "no shmfs is mounted on "+directory)
	requireFailure(t, shmfs(t, "reload", filepath.Join(directory, "missing")), 3, "does not exist")
	requireFailure(t, shmfs(t, "reload"), 2, "one mountpoint is needed")
}

func TestReloadOfAReadOnlyMount(t *testing.T) {
	t.Parallel()
	directory := mounted(t, "-o", "ro")
	before := rig.DaemonOf(t, directory)
	requireSuccess(t, shmfs(t, "reload", directory))
	if after := rig.DaemonOf(t, directory); after.Worker == before.Worker {
		t.Error("the same worker serves it")
	}
	unmount(t, directory)
}

// Of several that ask at one time, all get a reload.
func TestReloadsAtOneTime(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	binary := rig.Binary(t)
	results := make([]result, 4)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() { results[i] = run(t, exec.Command(binary, "reload", directory)) })
	}
	group.Wait()
	for _, got := range results {
		requireSuccess(t, got)
	}
	unmount(t, directory)
}
