package record

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

const patchSize = 12 // bytes: where, in words, and what

// patch changes words of an image, as the fuzzer's bytes say.
func (i image) patch(patches []byte) {
	for ; len(patches) >= patchSize; patches = patches[patchSize:] {
		at := int(binary.LittleEndian.Uint32(patches)) % len(i)
		i[at] = binary.LittleEndian.Uint64(patches[4:])
	}
}

// FuzzOpen opens an image with some words changed and its end cut off: it is an error, or can be used.
func FuzzOpen(f *testing.F) {
	whole := newImage(f)
	left, blob, log := whole.chunk(f, kindTable, "left"), whole.chunk(f, kindBlob, "text"), whole.chunk(f, kindLog, "")
	for _, at := range []uint64{0, 1, left, left + 1, left + 2, left + 3, left + 4, left + 5, left + chunkHeader, left + chunkHeader + 1,
		blob + 2, blob + chunkHeader, blob + chunkHeader + 1, blob + chunkHeader + 2, blob + chunkHeader + 3,
		log + 2, log + chunkHeader, log + chunkHeader + 1, log + chunkHeader + 2, log + chunkHeader + 3} {
		for _, value := range []uint64{0, 1, 64, chunkUnit, whole[at] + 1, whole[at] ^ 1<<63, stateUsed, 1<<64 - 1} {
			patch := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, uint32(at)), value)
			f.Add(patch, false, uint32(len(whole)))
			f.Add(patch, true, uint32(len(whole)))
		}
	}
	f.Add([]byte(nil), true, uint32(headerWords+10))
	f.Fuzz(func(t *testing.T, patches []byte, resealed bool, size uint32) {
		i := append(image(nil), whole...)
		i.patch(patches)
		if resealed {
			i.reseal()
		}
		if i = i[:min(uint64(size), uint64(len(i)))]; len(i) == 0 {
			return
		}
		tryOpening(t, i)
	})
}

// FuzzOpenAnything opens a file of any bytes.
func FuzzOpenAnything(f *testing.F) {
	whole := newImage(f)
	header := make([]byte, 0, headerWords*wordSize+chunkHeader*wordSize)
	for _, word := range whole[:headerWords+chunkHeader] {
		header = binary.LittleEndian.AppendUint64(header, word)
	}
	f.Add(header)
	f.Add(header[:headerWords*wordSize])
	f.Fuzz(func(t *testing.T, bytes []byte) {
		i := make(image, len(bytes)/wordSize)
		for at := range i {
			i[at] = binary.LittleEndian.Uint64(bytes[at*wordSize:])
		}
		tryOpening(t, i)
	})
}

// tryOpening demands an error that says what is wrong, or a memory that can be used.
func tryOpening(t *testing.T, i image) {
	file := i.file(t)
	m, err := Open(file)
	if err != nil {
		if !errors.Is(err, unix.EUCLEAN) && !errors.Is(err, unix.EPROTONOSUPPORT) {
			t.Errorf("the error is %v", err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	use(t, m)
	closeMemory(t, m)
}
