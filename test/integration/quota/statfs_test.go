package quota

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// figures are what statfs(2) says.
type figures struct{ size, free, available, files, filesFree int64 }

// same compares what two users see of the mount itself. How many inodes a disk has left is others' business too.
func (f figures) same(other figures) bool {
	f.filesFree, other.filesFree = 0, 0
	return f == other
}

// statfs asks as a user: through stat(1), whose process is theirs.
func statfs(t testing.TB, mount string, user uint32) (found figures) {
	t.Helper()
	command := exec.Command("stat", "-f", "-c", "%S %b %f %a %c %d", mount)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	said := rig.MustRun(t, mount, patience, command)
	var unit int64
	if _, err := fmt.Sscan(said, &unit, &found.size, &found.free, &found.available, &found.files, &found.filesFree); err != nil {
		t.Fatalf("stat says %q: %v", said, err)
	}
	found.size, found.free, found.available = found.size*unit, found.free*unit, found.available*unit
	return found
}

// TestStatfs compares what users see with what they and the mount have.
func TestStatfs(t *testing.T) {
	const mounts, quota = 64 << 20, 8 << 20
	inEach(t, strictPlaces, fmt.Sprintf("size=%d,quota-uid=%d,quota-objects=10", mounts, quota), func(t *testing.T, mount string) {
		setQuota(t, mount, "%d bytes=0 objects=0", cai)
		a, b := start(t, mount, ann), start(t, mount, ben)
		a.must("ftruncate", a.must("open", "ann's", unix.O_RDWR|unix.O_CREAT), 3<<20)
		a.must("mkdir", "directory")
		b.must("ftruncate", b.must("open", "ben's", unix.O_RDWR|unix.O_CREAT), 1<<20)
		whole := statfs(t, mount, 0)
		if whole.size != mounts || whole.free != mounts-4<<20 || whole.files == 10 {
			t.Errorf("root sees %+v", whole)
		}
		if seen := statfs(t, mount, cai); !seen.same(whole) {
			t.Errorf("a user without limits sees %+v, root sees %+v", seen, whole)
		}
		for user, want := range map[uint32]figures{
			ann: {quota, quota - 3<<20, quota - 3<<20, 10, 8},
			ben: {quota, quota - 1<<20, quota - 1<<20, 10, 9},
		} {
			if seen := statfs(t, mount, user); seen != want {
				t.Errorf("user %d sees %+v, want %+v", user, seen, want)
			}
		}
		// Others fill the mount: what it does not have is not free.
		filler := start(t, mount, cai)
		filler.must("ftruncate", filler.must("open", "cai's", unix.O_RDWR|unix.O_CREAT), mounts-6<<20)
		if seen, want := statfs(t, mount, ann), (figures{quota, 2 << 20, 2 << 20, 10, 8}); seen != want {
			t.Errorf("in a full mount ann sees %+v, want %+v", seen, want)
		}
		// More than the mount has is the mount.
		setQuota(t, mount, "%d bytes=%d objects=%d", ann, 2*mounts, int64(1)<<40)
		if seen, full := statfs(t, mount, ann), statfs(t, mount, 0); !seen.same(full) {
			t.Errorf("with more than the mount has ann sees %+v, root sees %+v", seen, full)
		}
		// Less than they hold leaves nothing.
		setQuota(t, mount, "%d bytes=%d objects=1", ann, 1<<20)
		if seen, want := statfs(t, mount, ann), (figures{1 << 20, 0, 0, 1, 0}); seen != want {
			t.Errorf("beyond the limit ann sees %+v, want %+v", seen, want)
		}
		filler.leave()
		must(t, os.Remove(filepath.Join(mount, "cai's")))
	})
}

// TestStatfsWithoutTheMountsLimits shows users theirs where the mount has none.
func TestStatfsWithoutTheMountsLimits(t *testing.T) {
	for _, options := range []string{"require-passthrough,size=0,nr_inodes=0", "require-passthrough,commit=lazy,size=0,nr_inodes=0"} {
		t.Run(options, func(t *testing.T) {
			mount := rig.Shmfs(t, options+",quota-objects=5")
			want := figures{0, 0, 0, 5, 4}
			if !strings.Contains(options, "lazy") {
				setQuota(t, mount, "%d bytes=%d", ann, 10*page)
				want.size, want.free, want.available = 10*page, 9*page, 9*page
			}
			a := start(t, mount, ann)
			a.must("write", a.must("open", "file", unix.O_RDWR|unix.O_CREAT), 1, 0)
			if seen := statfs(t, mount, ann); seen != want {
				t.Errorf("ann sees %+v, want %+v", seen, want)
			}
		})
	}
}
