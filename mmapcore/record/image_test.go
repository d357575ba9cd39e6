package record

import (
	"encoding/binary"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// image is the contents of a memory's file, in words.
type image []uint64

// imageOf copies a memory's file.
func imageOf(t tester, m *Memory) image {
	t.Helper()
	bytes, err := io.ReadAll(io.NewSectionReader(m.File(), 0, limit*wordSize))
	if err != nil {
		t.Fatal(err)
	}
	words := make(image, len(bytes)/wordSize)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(bytes[i*wordSize:])
	}
	return words
}

// file makes a memfd of it.
func (i image) file(t tester) *os.File {
	t.Helper()
	bytes := make([]byte, 0, len(i)*wordSize)
	for _, word := range i {
		bytes = binary.LittleEndian.AppendUint64(bytes, word)
	}
	return memfdOf(t, bytes)
}

func memfdOf(t tester, bytes []byte) *os.File {
	t.Helper()
	descriptor, err := unix.MemfdCreate("record-test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(descriptor), "record-test")
	if _, err := file.WriteAt(bytes, 0); err != nil {
		t.Fatal(err)
	}
	return file
}

// chunk returns the address of the first chunk of a kind and name.
func (i image) chunk(t tester, kind uint64, name string) uint64 {
	t.Helper()
	for address := uint64(headerWords); address+chunkHeader <= uint64(len(i)) && i[address] != 0; address += i[address+2] {
		header := [chunkHeader]uint64{1: kind, 4: uint64(len(name))}
		named := chunk{kind: kind, name: name}.header()
		copy(header[nameAt:], named[nameAt:nameAt+nameWords])
		if i[address+1] == kind && i[address+4] == header[4] && image(i[address+nameAt:address+nameAt+nameWords]).equal(header[nameAt:nameAt+nameWords]) {
			return address
		}
	}
	t.Fatalf("no chunk of kind %d is called %q", kind, name)
	return 0
}

func (i image) equal(other []uint64) bool {
	for at, word := range i {
		if other[at] != word {
			return false
		}
	}
	return len(i) == len(other)
}

// reseal makes all seals right again that are not 0, as far as the image can be followed.
func (i image) reseal() {
	size := uint64(len(i))
	for address := uint64(headerWords); address+chunkHeader <= size && i[address] != 0; {
		header := [chunkHeader]uint64(i[address:])
		i[address] = headerSeal(address, header)
		length := header[2]
		if length < chunkUnit || length > size-address {
			return
		}
		body := address + chunkHeader
		switch header[1] {
		case kindLog:
			i.resealAt(body, 1, 1+logEntry*i[body+1], address+length)
		case kindBlob:
			for copied := range uint64(2) {
				if at := body + copied*copyWords; at+copyHeader <= address+length {
					i.resealAt(at, 1, 2+(i[at+2]+wordSize-1)/wordSize, address+length)
				}
			}
		}
		address += length
	}
}

// resealAt makes the seal right of what begins at an address: of so many words behind the seal, if they are before an end.
func (i image) resealAt(at, from, count, end uint64) {
	if i[at] == 0 || count > end || at+from+count > end {
		return
	}
	sum := checksum(at)
	for _, word := range i[at+from : at+from+count] {
		sum = sum.add(word)
	}
	i[at] = sum.seal()
}

// newImage is the image of a memory with two tables and a blob, whose process died while it made a change that was sealed.
func newImage(t tester) image {
	t.Helper()
	const step = "all at once"
	stores := 0
	whole := newBed(t)
	beforeStore = func() { stores++ }
	steps[step](t, whole)
	beforeStore = nil
	b := newBed(t)
	if !cutBefore(stores-3, func() { steps[step](t, b) }) {
		t.Fatal("the change was not cut")
	}
	i := imageOf(t, b.memory)
	if log := i.chunk(t, kindLog, ""); i[log+chunkHeader] == 0 {
		t.Fatal("the log is not sealed")
	}
	return i
}

// use does everything with a memory whose rows may hold anything.
func use(t tester, m *Memory) {
	t.Helper()
	for name, table := range m.tables {
		for row, values := range table.Each {
			for word, value := range values {
				if found := row.Load(word); found != value {
					t.Fatalf("Each says that word %d of a row is %d, Load %d", word, value, found)
				}
			}
		}
		first, second := addRow(t, table, 1), addRow(t, table, 2)
		c := m.Change()
		c.Set(first, 0, 3)
		c.Remove(second)
		third := c.Add(table, 4)
		commit(t, c)
		if first.Load(0) != 3 || third.Load(0) != 4 {
			t.Fatalf("rows of %q begin with %d and %d", name, first.Load(0), third.Load(0))
		}
	}
	for name, blob := range m.blobs {
		if _, err := blob.Load(); err != nil {
			t.Fatal(err)
		}
		if err := blob.Store([]byte("anew")); err != nil {
			t.Fatal(err)
		}
		if text, err := blob.Load(); err != nil || string(text) != "anew" {
			t.Fatalf("the blob %q is %q, %v", name, text, err)
		}
	}
	openTable(t, m, "more", 3)
	closeMemory(t, reopen(t, m))
}
