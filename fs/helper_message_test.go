package fs

import (
	"strings"
	"testing"

	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

func TestHelperMessages(t *testing.T) {
	request := helperRequest{
		number: 1 << 60, operation: helperChange, kind: semfs.Set, stamping: true, value: semfs.MaxValue, stamp: 1<<32 - 1,
		target: helperTarget{node: 1<<64 - 1, generation: 1<<32 - 1, path: "sem.\xff \x00"},
	}
	if got, err := parseHelperRequest(request.encode()); err != nil || got != request {
		t.Errorf("%+v came as %+v, %v", request, got, err)
	}
	for _, answer := range []helperAnswer{
		{number: 1, state: semfs.State{Layout: semfs.Glibc, Value: 1, Waiters: 2, Initial: 3, Noted: true}},
		{number: 2, state: semfs.State{Layout: semfs.Musl, Value: semfs.MaxValue, Waiters: 1 << 22}},
		{number: 3, state: semfs.State{Invalid: "the file has 0 bytes, not 32"}},
		{number: 4, done: true, moved: 1<<32 - 1},
		{number: 5, stamp: 1<<32 - 1},
		{number: 6, errno: unix.EAGAIN, text: "there is none"},
	} {
		if got, err := parseHelperAnswer(answer.encode()); err != nil || got != answer {
			t.Errorf("%+v came as %+v, %v", answer, got, err)
		}
	}
	long := helperAnswer{errno: unix.ENOENT, text: strings.Repeat("x", 1<<20)}
	if length := len(long.encode()); length > helperMessageSize {
		t.Errorf("an answer of %d bytes is sent", length)
	}
}

// FuzzHelperMessages feeds both ends arbitrary messages: they are refused, or mean the same when sent again.
func FuzzHelperMessages(f *testing.F) {
	f.Add((&helperRequest{number: 1, target: by("sem.a", 2)}).encode())
	f.Add((&helperAnswer{number: 1, state: semfs.State{Layout: semfs.Musl}}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if request, err := parseHelperRequest(data); err == nil {
			if again, err := parseHelperRequest(request.encode()); err != nil || again != request {
				t.Errorf("%+v came as %+v, %v", request, again, err)
			}
		}
		answer, err := parseHelperAnswer(data)
		if err != nil || len(data) > helperMessageSize {
			return
		}
		if again, err := parseHelperAnswer(answer.encode()); err != nil || again != answer {
			t.Errorf("%+v came as %+v, %v", answer, again, err)
		}
	})
}

func TestDeviceInMountTable(t *testing.T) {
	const table = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
80 22 0:45 / /mnt/a\040b rw,nosuid,nodev,relatime - fuse.shmfs shmfs rw,user_id=0
81 22 0:46 / /mnt/covered rw - fuse.shmfs shmfs rw
82 81 0:47 / /mnt/covered rw shared:7 master:3 - fuse.shmfs a\040b rw
83 82 0:48 / /mnt/covered rw - tmpfs tmpfs rw
84 22 0:49 / /mnt/other rw - fuse.other - rw
85 22 259:1048575 / /mnt/back\134slash\011\012 rw - fuse.shmfs shmfs rw
`
	for _, c := range []struct {
		mountpoint   string
		found        bool
		major, minor uint32
	}{
		{"/mnt/a b", true, 0, 45},
		{"/mnt/covered", true, 0, 47},
		{"/mnt/other", false, 0, 0},
		{"/mnt/none", false, 0, 0},
		{"/mnt/a\\040b", false, 0, 0},
		{"/mnt/back\\slash\t\n", true, 259, 1048575},
	} {
		device, found := deviceIn(table, c.mountpoint)
		if found != c.found || found && device != unix.Mkdev(c.major, c.minor) {
			t.Errorf("%q: device %#x, %v", c.mountpoint, device, found)
		}
	}
}
