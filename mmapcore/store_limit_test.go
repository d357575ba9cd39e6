package mmapcore

import (
	"testing"

	"golang.org/x/sys/unix"
)

func wantLimits(t *testing.T, store *Store, size int64, inodes uint64) {
	t.Helper()
	figures, err := store.Usage()
	wantNoError(t, "Usage", err)
	if got := int64(figures.Blocks) * figures.Bsize; got != size || figures.Files != inodes {
		t.Errorf("limits are %d bytes and %d inodes, want %d and %d", got, figures.Files, size, inodes)
	}
}

func TestLimitUpAndDown(t *testing.T) {
	checkNoDescriptorLeft(t)
	store := newStore(t, TmpfsOptions{Size: 4 * pageSize, Inodes: 3, Mode: 0o700})
	region := newRegion(t, createIn(t, store, "file"))
	_, err := region.WriteAt(make([]byte, 5*pageSize), 0)
	wantError(t, "writing too much", err, unix.ENOSPC)

	wantNoError(t, "Limit up", store.Limit(TmpfsOptions{Size: 8 * pageSize, Inodes: 30}))
	wantLimits(t, store, 8*pageSize, 30)
	_, err = region.WriteAt(make([]byte, 8*pageSize), 0)
	wantNoError(t, "writing what fits now", err)

	wantNoError(t, "Resize", region.Resize(pageSize))
	wantNoError(t, "Limit down", store.Limit(TmpfsOptions{Size: 2 * pageSize, Inodes: 2}))
	wantLimits(t, store, 2*pageSize, 2)
	_, err = region.WriteAt(make([]byte, 3*pageSize), 0)
	wantError(t, "writing too much again", err, unix.ENOSPC)
}

func TestLimitBelowWhatIsHeldChangesNothing(t *testing.T) {
	checkNoDescriptorLeft(t)
	store := newStore(t, TmpfsOptions{Size: 8 * pageSize, Inodes: 10, Mode: 0o700})
	for _, name := range []string{"a", "b", "c"} {
		region := newRegion(t, createIn(t, store, name))
		_, err := region.WriteAt(make([]byte, pageSize), 0)
		wantNoError(t, "WriteAt", err)
	}
	cases := map[string]TmpfsOptions{
		"size":                      {Size: 2 * pageSize, Inodes: 20},
		"inodes":                    {Size: 16 * pageSize, Inodes: 2},
		"both":                      {Size: 2 * pageSize, Inodes: 2},
		"an unknown huge policy":    {Size: 16 * pageSize, Inodes: 20, Huge: "sometimes"},
		"a size below every number": {Size: -1, Inodes: 20},
	}
	for name, options := range cases {
		wantError(t, name, store.Limit(options), unix.EINVAL)
		wantLimits(t, store, 8*pageSize, 10)
	}
	wantNoError(t, "what just fits", store.Limit(TmpfsOptions{Size: 3 * pageSize, Inodes: 4}))
	wantLimits(t, store, 3*pageSize, 4)
}

// As in tmpfs: a limit can be lifted, but what has none cannot be given one.
func TestLimitCannotBeImposedLater(t *testing.T) {
	store := newStore(t, defaultOptions)
	wantNoError(t, "lifting", store.Limit(TmpfsOptions{}))
	wantLimits(t, store, 0, 0)
	wantError(t, "imposing a size", store.Limit(TmpfsOptions{Size: 1 << 20}), unix.EINVAL)
	wantError(t, "imposing a number of inodes", store.Limit(TmpfsOptions{Inodes: 10}), unix.EINVAL)
	wantLimits(t, store, 0, 0)
}

func TestLimitChangesTheHugePolicy(t *testing.T) {
	store := newStore(t, TmpfsOptions{Mode: 0o700, Huge: "never"})
	region := newRegion(t, createIn(t, store, "small"))
	wantBlocksAfterTouch(t, region, pageSize)
	wantNoError(t, "Limit", store.Limit(TmpfsOptions{Huge: "always"}))
	region = newRegion(t, createIn(t, store, "huge"))
	wantBlocksAfterTouch(t, region, hugeSize)
	wantNoError(t, "Limit without a policy", store.Limit(TmpfsOptions{}))
	region = newRegion(t, createIn(t, store, "still huge"))
	wantBlocksAfterTouch(t, region, hugeSize)
}

// wantBlocksAfterTouch writes one byte through a mapping and checks how much memory that took.
func wantBlocksAfterTouch(t *testing.T, region *Region, want int64) {
	t.Helper()
	wantNoError(t, "Resize", region.Resize(hugeSize))
	mapping := mapRegion(t, region, int(hugeSize), ReadWrite)
	_, err := mapping.WriteAt([]byte{1}, 0)
	wantNoError(t, "storing", err)
	var stat unix.Stat_t
	wantNoError(t, "stat", unix.Fstat(region.Descriptor(), &stat))
	if got := stat.Blocks * 512; got != want {
		t.Errorf("one byte takes %d bytes, want %d", got, want)
	}
}

func TestLimitOfADirectoryStore(t *testing.T) {
	store := newDirectoryStore(t)
	wantError(t, "Limit", store.Limit(TmpfsOptions{Size: 1 << 20}), unix.EOPNOTSUPP)
}
