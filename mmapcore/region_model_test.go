package mmapcore

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// regionModel is what a region must look like after the same calls: its bytes, and nothing past them.
type regionModel struct {
	region  *Region
	mapping *Mapping
	bytes   []byte
	limit   int  // the largest size that is tried
	holes   bool // the file system can punch holes
	zeroes  bool // it can zero ranges
}

// drawRange draws a range that may begin and end anywhere, but often at a page or at the end of the file.
func (m *regionModel) drawRange(t *rapid.T) (offset, length int) {
	edge := rapid.OneOf(
		rapid.IntRange(0, m.limit),
		rapid.Map(rapid.IntRange(0, m.limit/int(pageSize)), func(page int) int { return page * int(pageSize) }),
		rapid.Just(len(m.bytes)),
		rapid.IntRange(0, int(pageSize)),
	)
	from, to := edge.Draw(t, "from"), edge.Draw(t, "to")
	return min(from, to), max(from, to) - min(from, to)
}

func (m *regionModel) resize(size int) {
	if size <= len(m.bytes) {
		m.bytes = m.bytes[:size:size]
		return
	}
	m.bytes = append(m.bytes, make([]byte, size-len(m.bytes))...)
}

func (m *regionModel) Resize(t *rapid.T) {
	size, length := m.drawRange(t)
	size += length
	if err := m.region.Resize(int64(size)); err != nil {
		t.Fatal(err)
	}
	m.resize(size)
}

func (m *regionModel) Reserve(t *rapid.T) {
	offset, length := m.drawRange(t)
	keepSize := rapid.Bool().Draw(t, "keepSize")
	err := m.region.Reserve(int64(offset), int64(length), keepSize)
	if (length == 0) != (err != nil) {
		t.Fatal(err)
	}
	if !keepSize && length > 0 && offset+length > len(m.bytes) {
		m.resize(offset + length)
	}
}

func (m *regionModel) Punch(t *rapid.T) {
	offset, length := m.drawRange(t)
	err := m.region.Punch(int64(offset), int64(length))
	if (length == 0 || !m.holes) != (err != nil) {
		t.Fatal(err)
	}
	if m.holes {
		m.clear(offset, length)
	}
}

func (m *regionModel) Zero(t *rapid.T) {
	offset, length := m.drawRange(t)
	err := m.region.Zero(int64(offset), int64(length))
	if (length == 0 || !m.zeroes) != (err != nil) {
		t.Fatal(err)
	}
	if m.zeroes {
		m.clear(offset, length)
	}
}

func (m *regionModel) clear(offset, length int) {
	from, to := min(offset, len(m.bytes)), min(offset+length, len(m.bytes))
	clear(m.bytes[from:to])
}

func (m *regionModel) Write(t *rapid.T) {
	offset, length := m.drawRange(t)
	data := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, length)
	n, err := m.region.WriteAt(data, int64(offset))
	if n != length || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if length > 0 && offset+length > len(m.bytes) {
		m.resize(offset + length)
	}
	copy(m.bytes[min(offset, len(m.bytes)):], data)
}

// Store writes through the mapping, inside the file.
func (m *regionModel) Store(t *rapid.T) {
	offset, length := m.drawRange(t)
	if offset+length > len(m.bytes) {
		return
	}
	data := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, length)
	if n, err := m.mapping.WriteAt(data, int64(offset)); n != length || err != nil {
		t.Fatalf("stored %d, %v", n, err)
	}
	copy(m.bytes[offset:], data)
}

// Scribble stores past the end, as far as it goes. It changes nothing.
func (m *regionModel) Scribble(*rapid.T) {
	noise := bytes.Repeat([]byte{0xee}, m.mapping.Len()-len(m.bytes))
	_, _ = m.mapping.WriteAt(noise, int64(len(m.bytes)))
}

func (m *regionModel) Read(t *rapid.T) {
	offset, length := m.drawRange(t)
	got := make([]byte, length)
	n, err := m.region.ReadAt(got, int64(offset))
	want := m.bytes[min(offset, len(m.bytes)):min(offset+length, len(m.bytes))]
	if n != len(want) || !bytes.Equal(got[:n], want) || (n < length) != (err == io.EOF) || (n == length && err != nil) {
		t.Fatalf("read %d of %d bytes at %d, %v, or other bytes than there are", n, length, offset, err)
	}
}

// Check compares the size and every byte, as the file and as the mapping show them.
func (m *regionModel) Check(t *rapid.T) {
	size, err := m.region.Size()
	if err != nil || size != int64(len(m.bytes)) {
		t.Fatalf("size is %d, %v; want %d", size, err, len(m.bytes))
	}
	for name, readAt := range map[string]func([]byte, int64) (int, error){
		"region": m.region.ReadAt, "mapping": m.mapping.ReadAt,
	} {
		got := make([]byte, size)
		if _, err := readAt(got, 0); err != nil {
			t.Fatalf("reading the %s: %v", name, err)
		}
		if bytes.Equal(got, m.bytes) {
			continue
		}
		for i := range got {
			if got[i] != m.bytes[i] {
				t.Fatalf("the %s has %#x at %d, want %#x", name, got[i], i, m.bytes[i])
			}
		}
	}
}

func TestRegionAgainstModel(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) { checkModel(t, region, true, !onTmpfs(t, region)) })
}

func TestRegionAgainstModelWithoutHoles(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	denyPunch(t)
	checkModel(t, region, false, false)
}

func checkModel(t *testing.T, region *Region, holes, zeroes bool) {
	limit := 8 * int(pageSize)
	mapping := mapRegion(t, region, limit+2*int(pageSize), ReadWrite)
	rapid.Check(t, func(t *rapid.T) {
		if err := region.Resize(0); err != nil {
			t.Fatal(err)
		}
		model := &regionModel{region: region, mapping: mapping, limit: limit, holes: holes, zeroes: zeroes}
		t.Repeat(map[string]func(*rapid.T){
			"":         model.Check,
			"Resize":   model.Resize,
			"Reserve":  model.Reserve,
			"Punch":    model.Punch,
			"Zero":     model.Zero,
			"Write":    model.Write,
			"Store":    model.Store,
			"Scribble": model.Scribble,
			"Read":     model.Read,
		})
	})
}
