package record

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpensTheImage is what the other tests of this file stand on.
func TestOpensTheImage(t *testing.T) {
	for _, resealed := range []bool{false, true} {
		i := newImage(t)
		if before := append(image(nil), i...); resealed {
			if i.reseal(); !i.equal(before) {
				t.Fatal("the seals were right and have changed")
			}
		}
		m, err := Open(i.file(t))
		if err != nil {
			t.Fatal(err)
		}
		wantRows(t, openTable(t, m, "left", 2), []uint64{1, 0})
		use(t, m)
		closeMemory(t, m)
	}
}

// TestMangledFiles changes words of a file, and makes the seals right again where that is said, so that what is behind them is looked at.
func TestMangledFiles(t *testing.T) {
	for name, test := range map[string]struct {
		mangle   func(i image, left, blob, log uint64)
		resealed bool
		want     error
	}{
		"no magic":           {mangle: func(i image, _, _, _ uint64) { i[0]++ }, want: unix.EUCLEAN},
		"another version":    {mangle: func(i image, _, _, _ uint64) { i[1]++ }, want: unix.EPROTONOSUPPORT},
		"a chunk's seal":     {mangle: func(i image, left, _, _ uint64) { i[left]++ }, want: unix.EUCLEAN},
		"a chunk's size":     {mangle: func(i image, left, _, _ uint64) { i[left+2] += chunkUnit }, want: unix.EUCLEAN},
		"a chunk of no size": {mangle: func(i image, left, _, _ uint64) { i[left+2] = 0 }, resealed: true, want: unix.EUCLEAN},
		"a chunk of part of a page": {
			mangle: func(i image, left, _, _ uint64) { i[left+2]++ }, resealed: true, want: unix.EUCLEAN},
		"a chunk past the end": {
			mangle: func(i image, left, _, _ uint64) { i[left+2] = uint64(len(i)) }, resealed: true, want: unix.EUCLEAN},
		"a chunk past all ends": {
			mangle: func(i image, left, _, _ uint64) { i[left+2] = 1<<64 - chunkUnit }, resealed: true, want: unix.EUCLEAN},
		"a chunk of another kind":     {mangle: func(i image, left, _, _ uint64) { i[left+1] = 99 }, resealed: true, want: unix.EUCLEAN},
		"a chunk with a long name":    {mangle: func(i image, left, _, _ uint64) { i[left+4] = maxName + 1 }, resealed: true, want: unix.EUCLEAN},
		"a chunk with an empty name":  {mangle: func(i image, left, _, _ uint64) { i[left+4], i[left+nameAt] = 0, 0 }, resealed: true, want: unix.EUCLEAN},
		"more behind a name":          {mangle: func(i image, left, _, _ uint64) { i[left+nameAt+7] = 1 }, resealed: true, want: unix.EUCLEAN},
		"more behind a header":        {mangle: func(i image, left, _, _ uint64) { i[left+15] = 1 }, resealed: true, want: unix.EUCLEAN},
		"rows of no words":            {mangle: func(i image, left, _, _ uint64) { i[left+3] = 0 }, resealed: true, want: unix.EUCLEAN},
		"rows of too many words":      {mangle: func(i image, left, _, _ uint64) { i[left+3] = maxWidth + 1 }, resealed: true, want: unix.EUCLEAN},
		"rows of most words":          {mangle: func(i image, left, _, _ uint64) { i[left+3] = 1<<64 - 1 }, resealed: true, want: unix.EUCLEAN},
		"a row neither used nor free": {mangle: func(i image, left, _, _ uint64) { i[left+chunkHeader] = 7 }, want: unix.EUCLEAN},
		"the last row neither used nor free": {
			mangle: func(i image, left, _, _ uint64) { i[left+chunkHeader+3*((i[left+2]-chunkHeader)/3-1)] = 7 }, want: unix.EUCLEAN},
		"a blob with a width": {mangle: func(i image, _, blob, _ uint64) { i[blob+3] = 1 }, resealed: true, want: unix.EUCLEAN},
		"a table for a blob":  {mangle: func(i image, _, blob, _ uint64) { i[blob+1], i[blob+3] = kindTable, 2 }, resealed: true, want: unix.EUCLEAN},
		"a blob for a table":  {mangle: func(i image, left, _, _ uint64) { i[left+1], i[left+3] = kindBlob, 0 }, resealed: true, want: unix.EUCLEAN},
		"a blob for a log":    {mangle: func(i image, _, _, log uint64) { i[log+1] = kindBlob }, resealed: true, want: unix.EUCLEAN},
		"a blob's seal":       {mangle: func(i image, _, blob, _ uint64) { i[blob+chunkHeader]++ }, want: unix.EUCLEAN},
		"a blob's text":       {mangle: func(i image, _, blob, _ uint64) { i[blob+chunkHeader+copyHeader]++ }, want: unix.EUCLEAN},
		"a blob's other text": {
			mangle: func(i image, _, blob, _ uint64) { i[blob+chunkHeader+copyWords+copyHeader]++ }, want: unix.EUCLEAN},
		"a blob's length": {mangle: func(i image, _, blob, _ uint64) { i[blob+chunkHeader+2] = maxBlob + 1 }, want: unix.EUCLEAN},
		"a blob's longest length": {
			mangle: func(i image, _, blob, _ uint64) { i[blob+chunkHeader+2] = 1<<64 - 1 }, want: unix.EUCLEAN},
		"a blob without a number": {mangle: func(i image, _, blob, _ uint64) { i[blob+chunkHeader+1] = 0 }, resealed: true, want: unix.EUCLEAN},
		"a blob with no number behind its own": {
			mangle: func(i image, _, blob, _ uint64) { i[blob+chunkHeader+1] = 1<<64 - 1 }, resealed: true, want: unix.EUCLEAN},
		"a blob with one number twice": {
			mangle: func(i image, _, blob, _ uint64) { i[blob+chunkHeader+1] = i[blob+chunkHeader+copyWords+1] }, resealed: true, want: unix.EUCLEAN},
		"a log with a name":  {mangle: func(i image, _, _, log uint64) { i[log+4], i[log+nameAt] = 1, 'n' }, resealed: true, want: unix.EUCLEAN},
		"a log with a width": {mangle: func(i image, _, _, log uint64) { i[log+3] = 1 }, resealed: true, want: unix.EUCLEAN},
		"a log's seal":       {mangle: func(i image, _, _, log uint64) { i[log+chunkHeader]++ }, want: unix.EUCLEAN},
		"a log's value":      {mangle: func(i image, _, _, log uint64) { i[log+chunkHeader+3]++ }, want: unix.EUCLEAN},
		"a log of too many":  {mangle: func(i image, _, _, log uint64) { i[log+chunkHeader+1] = i[log+2] }, want: unix.EUCLEAN},
		"a log of most":      {mangle: func(i image, _, _, log uint64) { i[log+chunkHeader+1] = 1<<64 - 1 }, want: unix.EUCLEAN},
		"a log of the magic": {mangle: func(i image, _, _, log uint64) { i[log+chunkHeader+2] = 0 }, resealed: true, want: unix.EUCLEAN},
		"a log of a chunk's seal": {
			mangle: func(i image, left, _, log uint64) { i[log+chunkHeader+2] = left }, resealed: true, want: unix.EUCLEAN},
		"a log of a chunk's header": {
			mangle: func(i image, left, _, log uint64) { i[log+chunkHeader+2] = left + 3 }, resealed: true, want: unix.EUCLEAN},
		"a log of a blob": {
			mangle: func(i image, _, blob, log uint64) { i[log+chunkHeader+2] = blob + chunkHeader + 9 }, resealed: true, want: unix.EUCLEAN},
		"a log of a log": {
			mangle: func(i image, _, _, log uint64) { i[log+chunkHeader+2] = log + chunkHeader + 9 }, resealed: true, want: unix.EUCLEAN},
		"a log of what is behind the last row": {
			mangle: func(i image, left, _, log uint64) {
				i[log+chunkHeader+2] = left + chunkHeader + (i[left+2]-chunkHeader)/3*3
			}, resealed: true, want: unix.EUCLEAN},
		"a log of what is past the end": {
			mangle: func(i image, _, _, log uint64) { i[log+chunkHeader+2] = uint64(len(i)) }, resealed: true, want: unix.EUCLEAN},
		"a log of what is past all ends": {
			mangle: func(i image, _, _, log uint64) { i[log+chunkHeader+2] = 1<<64 - 1 }, resealed: true, want: unix.EUCLEAN},
		"a log of half a state": {
			mangle: func(i image, left, _, log uint64) { i[log+chunkHeader+2], i[log+chunkHeader+3] = left+chunkHeader, 5 }, resealed: true, want: unix.EUCLEAN},

		// What no process leaves, but is not to be told from what one does.
		"a log without a seal": {mangle: func(i image, _, _, log uint64) { i[log+chunkHeader] = 0; i[log+chunkHeader+1] = 1 << 60 }},
		"nothing in a log":     {mangle: func(i image, _, _, log uint64) { i[log+chunkHeader+1] = 0 }, resealed: true},
		"a row of anything":    {mangle: func(i image, left, _, _ uint64) { i[left+chunkHeader+1] = 1<<64 - 1 }},
		"a blob's copy gone":   {mangle: func(i image, _, blob, _ uint64) { i[blob+chunkHeader] = 0 }},
		"no seals, so no chunks": {
			mangle: func(i image, left, _, _ uint64) { i[left] = 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			i := newImage(t)
			test.mangle(i, i.chunk(t, kindTable, "left"), i.chunk(t, kindBlob, "text"), i.chunk(t, kindLog, ""))
			if test.resealed {
				i.reseal()
			}
			file := i.file(t)
			m, err := Open(file)
			if test.want == nil && err == nil {
				use(t, m)
				closeMemory(t, m)
				return
			}
			wantError(t, err, test.want)
			if _, err := file.Stat(); err != nil {
				t.Errorf("after an error the file is not the caller's: %v", err)
			}
			if err := file.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNoRecords(t *testing.T) {
	for name, size := range map[string]int{"an empty file": 0, "half a header": headerWords * wordSize / 2, "a header and a bit": headerWords*wordSize + 1} {
		file := memfdOf(t, make([]byte, size))
		_, err := Open(file)
		if wantError(t, err, unix.EUCLEAN); file.Close() != nil {
			t.Errorf("%s is not the caller's after an error", name)
		}
	}
	ordinary, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer ordinary.Close()
	_, err = Open(ordinary)
	wantError(t, err, unix.EINVAL)
	descriptor, err := unix.MemfdCreate("record-test", unix.MFD_CLOEXEC) // cannot be sealed
	if err != nil {
		t.Fatal(err)
	}
	unsealed := os.NewFile(uintptr(descriptor), "record-test")
	defer unsealed.Close()
	_, err = Open(unsealed)
	wantError(t, err, unix.EPERM)
}

// TestCutFiles opens a file whose end is missing, as no process can leave it: it cannot shrink.
func TestCutFiles(t *testing.T) {
	whole := newImage(t)
	for size := uint64(headerWords); size < uint64(len(whole)); size += 256 {
		i := whole[:size]
		file := i.file(t)
		m, err := Open(file)
		if err != nil {
			wantError(t, err, unix.EUCLEAN)
			file.Close()
			continue
		}
		use(t, m)
		closeMemory(t, m)
	}
}
