package programs

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// stressor is one kind of stress-ng's workers, which all check what they do, and how many of its operations it does: what
// takes about a second in shmfs's page-cache mode. (A bound in seconds would let a busy machine skip some of them.)
type stressor struct {
	name       string
	operations string
	options    string
}

// stressors are those that use files by path, in groups that run together.
var stressors = []struct {
	name  string
	group []stressor
}{
	{"memory", []stressor{
		{"mmap", "4", "--mmap-file --mmap-bytes 8m"}, {"mmapfixed", "6", ""}, {"mmapaddr", "1000", ""},
		{"msync", "1000", "--msync-bytes 8m"}, {"msyncmany", "100", ""}, {"shm", "4", "--shm-bytes 4m --shm-objs 8"},
		{"madvise", "4", ""},
	}},
	{"contents", []stressor{
		{"fallocate", "30", "--fallocate-bytes 16m"}, {"copy-file", "20", "--copy-file-bytes 128m"},
		{"seek", "200", "--seek-size 16m"}, {"hdd", "2000", "--hdd-bytes 16m --hdd-opts direct,wr-rnd,rd-rnd,fsync"},
		{"iomix", "3000", "--iomix-bytes 16m"}, {"sendfile", "2000", "--sendfile-size 1m"}, {"aio", "1000", ""},
		{"aiol", "300", ""}, {"revio", "5000", "--revio-bytes 16m"}, {"sync-file", "20", "--sync-file-bytes 16m"},
		{"readahead", "2000", "--readahead-bytes 16m"},
	}},
	{"names", []stressor{
		{"rename", "1000", ""}, {"link", "1", ""}, {"symlink", "1", ""}, {"dentry", "2000", "--dentries 500"},
		{"dir", "1000", ""}, {"dirmany", "2000", ""}, {"filename", "300", "--filename-opts posix"}, {"getdent", "2000", ""},
		{"chdir", "400", "--chdir-dirs 200"}, {"mknod", "1000", ""}, {"open", "2000", "--open-max 1000"}, {"handle", "5000", ""},
		{"inotify", "5", ""},
	}},
	// Alone: it takes every change of the mount's count of free inodes for its own doing, and gives up before it begins when
	// others remove files meanwhile.
	{"deep names", []stressor{{"dirdeep", "1000", "--dirdeep-inodes 1000"}}},
	{"attributes", []stressor{
		{"chmod", "30", ""}, {"chown", "300", ""}, {"utime", "500", ""}, {"fstat", "1000", "--fstat-dir /dev/shm"},
		{"xattr", "1", ""}, {"access", "20", ""}, {"touch", "1000", ""}, {"file-ioctl", "200", ""}, {"fcntl", "1000", ""},
	}},
	{"locks", []stressor{
		{"flock", "10000", ""}, {"locka", "10000", ""}, {"lockf", "500", ""}, {"lockofd", "10000", ""}, {"lease", "10", ""},
	}},
}

// TestStressNG runs every group on tmpfs, strict passthrough and strict cached, and the group that maps in the lazy modes.
func TestStressNG(t *testing.T) {
	program := rig.Program(t, "stress-ng")
	for _, kind := range stressors {
		places := []place{tmpfs, passthroughStrict, cachedStrict}
		if kind.name == "memory" {
			places = everywhere
		}
		t.Run(kind.name, func(t *testing.T) {
			inEach(t, places, func(t *testing.T, place place) {
				stress(t, place.mount(t), program, kind.group)
			})
		})
	}
}

// stress runs one group; every stressor in it must have done its work and found nothing wrong.
func stress(t *testing.T, directory, program string, group []stressor) {
	t.Helper()
	const timeout = 5 * time.Minute
	arguments := []string{"--temp-path", directory, "--verify", "--timeout", "240", "--metrics-brief", "--no-rand-seed"}
	for _, one := range group {
		arguments = append(arguments, "--"+one.name, "1", "--"+one.name+"-ops", one.operations)
		arguments = append(arguments, strings.Fields(one.options)...)
	}
	run := command(program, arguments...)
	run.Dir = "/"
	ended := rig.Run(t, directory, timeout, run)[0]
	output := ended.Stdout + ended.Stderr
	if ended.Err != nil || !strings.Contains(output, "successful run completed") || strings.Contains(output, "fail:") {
		t.Errorf("%s: %v\n%s", run, ended.Err, output)
	}
	for _, one := range group {
		requireWorked(t, one.name, output)
	}
}

// requireWorked fails if a stressor did not run: stress-ng only notes it when it skips one.
func requireWorked(t *testing.T, name, output string) {
	t.Helper()
	count := regexp.MustCompile(`metrc: \[\d+\] ` + name + ` +(\d+)`).FindStringSubmatch(output)
	if count == nil {
		t.Errorf("stress-ng did not run %s\n%s", name, output)
		return
	}
	if done, err := strconv.Atoi(count[1]); err != nil || done == 0 {
		t.Errorf("%s did nothing in its time\n%s", name, output)
	}
}
