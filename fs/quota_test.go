package fs

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"shmfs/objects"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

const everybodys = objects.AsEverybody

// nobodysLimits is who has none of their own.
func nobodysLimits(uid uint32) objects.User {
	return objects.User{UID: uid, Own: objects.Quota{Bytes: everybodys, Objects: everybodys}}
}

func TestParseQuota(t *testing.T) {
	for line, want := range map[string]objects.User{
		"1000":                                 {UID: 1000, Own: objects.Quota{Bytes: everybodys, Objects: everybodys}},
		"1000 bytes=4096":                      {UID: 1000, Own: objects.Quota{Bytes: 4096, Objects: everybodys}},
		"7 objects=0 bytes=default\n":          {UID: 7, Own: objects.Quota{Bytes: everybodys, Objects: 0}},
		"7  bytes=1\tbytes=2 objects=3":        {UID: 7, Own: objects.Quota{Bytes: 2, Objects: 3}},
		"4294967294 bytes=9223372036854775807": {UID: math.MaxUint32 - 1, Own: objects.Quota{Bytes: math.MaxInt64, Objects: everybodys}},
	} {
		uid, own, err := parseQuota(line, nobodysLimits)
		if err != nil || uid != want.UID || own != want.Own {
			t.Errorf("%q is %d %v, %v, want %v", line, uid, own, err, want)
		}
	}
	for _, line := range []string{
		"", "\n", "0 bytes=1", "-1 bytes=1", "4294967295 bytes=1", "ann bytes=1", "7 bytes", "7 bytes=", "7 bytes=-1", "7 bytes=1K", "7 bytes=none",
		"7 bytes=9223372036854775808", "7 octets=1", "7 objects=1.5", "7 =1", "bytes=1 7", "7 8 bytes=1",
	} {
		if uid, own, err := parseQuota(line, nobodysLimits); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%q is %d %v, %v", line, uid, own, err)
		}
	}
	kept := func(uid uint32) objects.User { return objects.User{UID: uid, Own: objects.Quota{Bytes: 5, Objects: 6}} }
	if _, own, err := parseQuota("7 objects=9", kept); err != nil || own != (objects.Quota{Bytes: 5, Objects: 9}) {
		t.Errorf("what is not named does not stay: %v, %v", own, err)
	}
}

// Whatever is taken is written down so that it is read as the same again.
func FuzzParseQuota(f *testing.F) {
	for _, seed := range []string{"1000 bytes=4096 objects=default", "7 objects=0", "0 bytes=1", "4294967295", "7 bytes=-1", "7\x00bytes=1", "\xff", "7 bytes=default bytes=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		uid, own, err := parseQuota(line, nobodysLimits)
		if err != nil {
			if !errors.Is(err, unix.EINVAL) {
				t.Fatalf("%q: %v", line, err)
			}
			return
		}
		if uid == 0 || own.Bytes < everybodys || own.Objects < everybodys {
			t.Fatalf("%q is %d %v", line, uid, own)
		}
		text := quotasOf([]objects.User{{UID: uid, Own: own}})
		if len(text) == 0 && own == nobodysLimits(0).Own {
			return
		}
		again, same, err := parseQuota(string(text), nobodysLimits)
		if err != nil || again != uid || same != own || len(text) > 66 {
			t.Fatalf("%q is written down as %q, which is %d %v, %v", line, text, again, same, err)
		}
	})
}

// quotaKernel is a fake kernel that sets and asks limits.
type quotaKernel struct{ *fakeKernel }

func (k quotaKernel) set(line string) int32 {
	body := append(words(uint32(len(line)), 0, 0, 0), k.f.control+controlQuota+"\x00"+line...)
	errno, _ := k.call(message{opcode: opSetxattr, unique: 18, node: 1, body: body})
	return errno
}

func (k quotaKernel) mustSet(line string) {
	k.t.Helper()
	if errno := k.set(line); errno != 0 {
		k.t.Fatalf("setting %q: errno %d", line, -errno)
	}
}

func (k quotaKernel) wantLimits(want string) {
	k.t.Helper()
	errno, body := k.call(message{opcode: opGetxattr, unique: 19, node: 1, body: append(words(1<<16, 0), k.f.control+controlQuota+"\x00"...)})
	if errno != 0 || string(body) != want {
		k.t.Errorf("the limits are %q, errno %d, want %q", body, -errno, want)
	}
}

func TestQuotasAreSetThroughTheRoot(t *testing.T) {
	k := quotaKernel{newFakeKernel(t)}
	k.wantLimits("")
	k.mustSet("1000 bytes=5000")
	k.mustSet("7 objects=3\n")
	k.mustSet("1000 objects=0")
	k.wantLimits("7 bytes=default objects=3\n1000 bytes=8192 objects=0\n") // whole pages
	for _, line := range []string{"0 bytes=1", "1000 bytes=x", ""} {
		if errno := k.set(line); errno != -int32(unix.EINVAL) {
			t.Errorf("setting %q: errno %d", line, -errno)
		}
	}
	k.mustSet("1000 objects=default bytes=default")
	k.wantLimits("7 bytes=default objects=3\n")
	lazy := *k.f.options.Load()
	lazy.Commit = Lazy
	k.f.options.Store(&lazy)
	if errno := k.set("7 bytes=1"); errno != -int32(unix.EOPNOTSUPP) {
		t.Errorf("bytes under commit=lazy: errno %d", -errno)
	}
	k.mustSet("7 objects=4 bytes=0")
	k.wantLimits("7 bytes=0 objects=4\n")
}

// There is room for a thousand users, and one too many changes nothing.
func TestTooManyLimits(t *testing.T) {
	k := quotaKernel{newFakeKernel(t)}
	var want strings.Builder
	for uid := uint32(math.MaxUint32 - 1); ; uid-- {
		line := fmt.Sprintf("%d bytes=9223372036854771712 objects=9223372036854775807\n", uid)
		if want.Len()+len(line) > mostQuotaText {
			if errno := k.set(line); errno != -int32(unix.ENOSPC) {
				t.Errorf("one too many: errno %d", -errno)
			}
			break
		}
		k.mustSet(line)
		want.WriteString(line)
	}
	if users := len(k.f.tree.Users()); users < 1000 {
		t.Errorf("there is room for %d users", users)
	}
	k.mustSet("4294967294 bytes=1")
	anew := newFilesystem(k.f.tree, k.f.state, k.f.facts, hclog.NewNullLogger())
	if err := anew.takeUpQuotas(); err != nil {
		t.Error(err)
	}
}

// A process after this one finds the limits, and the options that were changed.
func TestLimitsOutliveTheProcess(t *testing.T) {
	k := quotaKernel{newFakeKernel(t)}
	k.mustSet("1000 bytes=8192")
	k.mustSet("7 objects=3")
	k.mustSet("8 objects=3")
	k.mustSet("8 objects=default")
	remount := "quota-uid=4096,quota-objects=9"
	body := append(words(uint32(len(remount)), 0, 0, 0), k.f.control+controlOptions+"\x00"+remount...)
	k.mustCall(message{opcode: opSetxattr, node: 1, body: body})
	found, err := loadFacts(k.f.state.facts)
	if err != nil {
		t.Fatal(err)
	}
	if quota := found.Options.everybodysQuota(); quota != (objects.Quota{Bytes: 4096, Objects: 9}) {
		t.Errorf("the next finds %v for everybody", quota)
	}
	next := quotaKernel{newFakeKernel(t)}
	next.f.state.quotas, next.f.facts = k.f.state.quotas, found
	if err := next.f.takeUpQuotas(); err != nil {
		t.Fatal(err)
	}
	next.wantLimits("7 bytes=default objects=3\n1000 bytes=8192 objects=default\n")
	for uid, want := range map[uint32]objects.Quota{7: {Bytes: 4096, Objects: 3}, 1000: {Bytes: 8192, Objects: 9}, 8: {Bytes: 4096, Objects: 9}, 0: {}} {
		if got := next.f.tree.User(uid).Limit; got != want {
			t.Errorf("user %d is limited to %v, want %v", uid, got, want)
		}
	}
	if err := k.f.state.quotas.Store([]byte("7 nonsense")); err != nil {
		t.Fatal(err)
	}
	if err := next.f.takeUpQuotas(); !errors.Is(err, unix.EINVAL) {
		t.Errorf("nonsense in the record: %v", err)
	}
}

// Root is exempt, but not what the kernel writes back, which has no user.
func TestWhoIsExempt(t *testing.T) {
	const writeCache, uid = 1, 1000
	k := quotaKernel{newFakeKernel(t)}
	k.mustSet("1000 bytes=4096")
	created := k.mustCall(message{opcode: opCreate, node: 1, uid: uid, gid: uid, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o644|unix.S_IFREG, "file")})
	node, handle := le.Uint64(created), le.Uint64(created[entryOutSize:])
	write := func(uid uint32, flags uint32, offset uint64) int32 {
		body := le.AppendUint64(le.AppendUint64(nil, handle), offset)
		body = append(body, words(1, flags, 0, 0, unix.O_RDWR, 0)...)
		errno, _ := k.call(message{opcode: opWrite, unique: 30, node: node, uid: uid, body: append(body, 'x')})
		return errno
	}
	for _, c := range []struct {
		uid, flags uint32
		offset     uint64
		want       unix.Errno
	}{
		{uid, 0, 4095, 0}, {uid, 0, 4096, unix.EDQUOT}, {2000, 0, 4096, unix.EDQUOT}, {0, writeCache, 4096, unix.EDQUOT}, {0, 0, 4096, 0}, {uid, 0, 8191, 0},
		{uid, 0, 8192, unix.EDQUOT},
	} {
		if errno := write(c.uid, c.flags, c.offset); errno != -int32(c.want) {
			t.Errorf("user %d, flags %d, at %d: errno %d, want %d", c.uid, c.flags, c.offset, -errno, c.want)
		}
	}
	if held := k.f.tree.User(uid).Held; held != (objects.Holding{Bytes: 8192, Objects: 1}) {
		t.Errorf("the owner holds %v", held)
	}
	k.mustCall(message{opcode: opRelease, node: node, body: releaseBody(handle)})
	k.forget(node, 1)
}

// forget gives references to a node back.
func (k quotaKernel) forget(node, count uint64) {
	k.write(message{opcode: opForget, unique: 31, node: node, body: le.AppendUint64(nil, count)})
	k.step()
}
