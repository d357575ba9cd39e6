package mmapcore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// occupied is a store and everything in it that takes memory.
type occupied struct {
	store *Store
	files []*Region // their names are gone for every other one
	made  int
	links int
}

// blocksOfAll is what st_blocks of everything in the store adds up to, in bytes.
func (o *occupied) blocksOfAll(t *testing.T) int64 {
	t.Helper()
	sum := int64(0)
	for _, file := range o.files {
		sum += blocks(t, file)
	}
	for i := range o.links {
		var stat unix.Stat_t
		wantNoError(t, "stat of a link", unix.Fstatat(o.store.Root(), fmt.Sprintf("link-%d", i), &stat, unix.AT_SYMLINK_NOFOLLOW))
		sum += stat.Blocks * 512
	}
	return sum
}

func (o *occupied) make(t *testing.T) {
	t.Helper()
	name := fmt.Sprintf("file-%d", o.made)
	file := NewRegion(createIn(t, o.store, name))
	if o.made%2 == 0 {
		wantNoError(t, "Unlinkat", unix.Unlinkat(o.store.Root(), name, 0))
	}
	o.files = append(o.files, file)
	o.made++
}

// change does something that takes or gives memory.
func (o *occupied) change(t *testing.T, random *rand.Rand) {
	t.Helper()
	const span = 4 << 20
	at := random.IntN(len(o.files))
	file, offset, length := o.files[at], random.Int64N(span), random.Int64N(span/4)+1
	switch random.IntN(8) {
	case 0:
		wantNoError(t, "Resize", file.Resize(offset))
	case 1:
		_, err := file.WriteAt(make([]byte, length), offset)
		wantNoError(t, "WriteAt", err)
	case 2:
		wantNoError(t, "Reserve", file.Reserve(offset, length, random.IntN(2) == 0))
	case 3:
		wantNoError(t, "Punch", file.Punch(offset, length))
	case 4:
		touchThirds(t, file, true)
	case 5:
		touchThirds(t, file, false)
	case 6:
		target := strings.Repeat("t", random.IntN(1000)+1)
		wantNoError(t, "Symlinkat", unix.Symlinkat(target, o.store.Root(), fmt.Sprintf("link-%d", o.links)))
		o.links++
	case 7:
		if at%2 == 0 { // its name is gone, and so its memory goes
			wantNoError(t, "Close", file.Close())
			name := fmt.Sprintf("file-%d", o.made)
			o.files[at] = NewRegion(createIn(t, o.store, name))
			wantNoError(t, "Unlinkat", unix.Unlinkat(o.store.Root(), name, 0))
			o.made++
		}
	}
}

// touchThirds reads or writes every third page of a file through a mapping: holes take pages by that.
func touchThirds(t *testing.T, file *Region, write bool) {
	t.Helper()
	size, err := file.Size()
	wantNoError(t, "Size", err)
	length := size / pageSize * pageSize
	if length == 0 {
		return
	}
	mapping, err := file.Map(0, int(length), ReadWrite)
	wantNoError(t, "Map", err)
	one := make([]byte, 1)
	for offset := int64(0); offset < length; offset += 3 * pageSize {
		if write {
			_, err = mapping.WriteAt(one, offset)
		} else {
			_, err = mapping.ReadAt(one, offset)
		}
		wantNoError(t, "touching", err)
	}
	wantNoError(t, "Unmap", mapping.Unmap())
}

// wantTaken fails the test unless a store comes to say what it holds.
func wantTaken(t *testing.T, store *Store, want int64) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; _, _ = unix.Poll(nil, 1) {
		got, err := store.Taken()
		wantNoError(t, "Taken", err)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are taken, want %d", got, want)
		}
	}
}

// Whatever is done, with huge pages too: what is taken is what the blocks of everything add up to.
func TestTakenIsTheBlocksOfAll(t *testing.T) {
	for name, options := range map[string]TmpfsOptions{
		"without limit": {Mode: 0o700},
		"limited":       {Mode: 0o700, Size: 1 << 30, Inodes: 10000},
		"huge pages":    {Mode: 0o700, Huge: "always"},
	} {
		t.Run(name, func(t *testing.T) {
			checkNothingLeft(t)
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			o := &occupied{store: newStore(t, options)}
			t.Cleanup(func() {
				for _, file := range o.files {
					wantNoError(t, "Close", file.Close())
				}
			})
			wantTaken(t, o.store, 0)
			for range 6 {
				o.make(t)
			}
			for range 300 {
				o.change(t, random)
				wantTaken(t, o.store, o.blocksOfAll(t))
			}
			wantNoError(t, "Limit", o.store.Limit(TmpfsOptions{})) // lifted, it goes on counting
			for range 20 {
				o.change(t, random)
				wantTaken(t, o.store, o.blocksOfAll(t))
			}
		})
	}
}

// A store that an earlier version has made without limit says that it does not count, and can be changed as before.
func TestTakenOfAStoreThatDoesNotCount(t *testing.T) {
	checkNoDescriptorLeft(t)
	set := storeCalls.fsconfigString
	restore := replace(t, &storeCalls.fsconfigString, func(descriptor int, key, value string) error {
		if key == "size" {
			value = "0"
		}
		return set(descriptor, key, value)
	})
	store := newStore(t, TmpfsOptions{Inodes: 10, Mode: 0o700})
	restore()
	_, err := store.Taken()
	wantError(t, "Taken", err, unix.EOPNOTSUPP)
	wantLimits(t, store, 0, 10)
	wantNoError(t, "Limit", store.Limit(TmpfsOptions{Inodes: 20}))
	wantLimits(t, store, 0, 20)
	wantError(t, "imposing a size", store.Limit(TmpfsOptions{Size: 1 << 20}), unix.EINVAL)
}

func TestTakenOfADirectoryStore(t *testing.T) {
	_, err := newDirectoryStore(t).Taken()
	wantError(t, "Taken", err, unix.EOPNOTSUPP)
}
