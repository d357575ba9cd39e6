package objects

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// fileModel is what a file must be like.
type fileModel struct {
	id       uint64
	name     string // "" once unlinked
	content  []byte
	reserved int64 // end, in bytes, of what was reserved behind the file's end
	referred bool  // somebody holds a reference
	objects  []*Object
}

func (f *fileModel) charge() int64 { return max(roundToPages(int64(len(f.content))), f.reserved) }

func roundToPages(size int64) int64 {
	if rest := size % pageSize; rest != 0 {
		return size - rest + pageSize
	}
	return size
}

// treeModel is what a tree under commit=strict must be like after the same calls.
type treeModel struct {
	world *world
	limit int64 // bytes
	files []*fileModel
}

const (
	modelLimit = 16 // pages
	modelReach = 22 // pages: how far calls go
)

var modelNames = []string{"a", "b", "c"}

func (m *treeModel) used() (used int64) {
	for _, file := range m.files {
		used += file.charge()
	}
	return used
}

func (m *treeModel) named(name string) *fileModel {
	for _, file := range m.files {
		if file.name == name {
			return file
		}
	}
	return nil
}

// drop forgets the files that nobody can get at any more.
func (m *treeModel) drop() {
	m.files = slices.DeleteFunc(m.files, func(file *fileModel) bool { return file.name == "" && !file.referred })
}

// draw draws one of the files that fulfil a condition, or nil if there is none.
func (m *treeModel) draw(t *rapid.T, condition func(*fileModel) bool) *fileModel {
	var some []*fileModel
	for _, file := range m.files {
		if condition(file) {
			some = append(some, file)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[rapid.IntRange(0, len(some)-1).Draw(t, "file")]
}

func isOpen(file *fileModel) bool { return len(file.objects) > 0 }

func (m *treeModel) drawOpen(t *rapid.T) (*fileModel, *Object) {
	file := m.draw(t, isOpen)
	if file == nil {
		return nil, nil
	}
	return file, file.objects[rapid.IntRange(0, len(file.objects)-1).Draw(t, "object")]
}

// drawOffset draws an offset that is often at a page, or beside one.
func drawOffset(t *rapid.T, label string) int64 {
	page := rapid.Int64Range(0, modelReach).Draw(t, label+" page")
	return max(0, page*pageSize+rapid.SampledFrom([]int64{0, 0, 0, -1, 1, 100, -1000}).Draw(t, label+" beside"))
}

func (m *treeModel) Create(t *rapid.T) {
	name := rapid.SampledFrom(modelNames).Draw(t, "name")
	entry, err := createFile(m.world.tree, RootID, name, 0o600, Caller{})
	if m.named(name) != nil {
		wantError(t, "creating what is there", err, unix.EEXIST)
		return
	}
	wantNoError(t, "creating", err)
	m.files = append(m.files, &fileModel{id: entry.ID, name: name, referred: true})
}

func (m *treeModel) Lookup(t *rapid.T) {
	name := rapid.SampledFrom(modelNames).Draw(t, "name")
	entry, err := m.world.tree.Lookup(RootID, name)
	file := m.named(name)
	if file == nil {
		wantError(t, "looking up what is not there", err, unix.ENOENT)
		return
	}
	wantNoError(t, "looking up", err)
	if entry.ID != file.id {
		t.Fatalf("%s is %d, want %d", name, entry.ID, file.id)
	}
	if file.referred {
		m.world.tree.Forget(entry.ID, 1) // the model has one reference at most
	}
	file.referred = true
}

func (m *treeModel) Unlink(t *rapid.T) {
	name := rapid.SampledFrom(modelNames).Draw(t, "name")
	err := m.world.tree.Unlink(RootID, name)
	file := m.named(name)
	if file == nil {
		wantError(t, "unlinking what is not there", err, unix.ENOENT)
		return
	}
	wantNoError(t, "unlinking", err)
	file.name = ""
	m.drop()
}

// Rename moves a file to a name, over what has it.
func (m *treeModel) Rename(t *rapid.T) {
	file := m.draw(t, func(file *fileModel) bool { return file.name != "" })
	if file == nil {
		return
	}
	name := rapid.SampledFrom(modelNames).Draw(t, "name")
	wantNoError(t, "renaming", m.world.tree.Rename(RootID, file.name, RootID, name, 0, Caller{}))
	if victim := m.named(name); victim != nil {
		victim.name = ""
	}
	file.name = name
	m.drop()
}

// Forget gives up the last reference, as the kernel does when nothing is open any more.
func (m *treeModel) Forget(t *rapid.T) {
	file := m.draw(t, func(file *fileModel) bool { return file.referred && !isOpen(file) })
	if file == nil {
		return
	}
	m.world.tree.Forget(file.id, 1)
	file.referred = false
	m.drop()
}

func (m *treeModel) Open(t *rapid.T) {
	file := m.draw(t, func(file *fileModel) bool { return file.referred })
	if file == nil {
		return
	}
	object, err := m.world.tree.Open(file.id, unix.O_RDWR)
	wantNoError(t, "opening", err)
	file.objects = append(file.objects, object)
}

func (m *treeModel) Close(t *rapid.T) {
	file, object := m.drawOpen(t)
	if file == nil {
		return
	}
	wantNoError(t, "closing", object.Close())
	file.objects = slices.DeleteFunc(file.objects, func(o *Object) bool { return o == object })
}

func (m *treeModel) Write(t *rapid.T) {
	file, object := m.drawOpen(t)
	if file == nil {
		return
	}
	offset, end := drawOffset(t, "from"), drawOffset(t, "to")
	offset, end = min(offset, end), max(offset, end)
	data := bytes.Repeat([]byte{rapid.ByteRange(1, 255).Draw(t, "fill")}, int(end-offset))
	fits := m.fits(file, offset, end)
	n, err := object.WriteAt(data, offset)
	if len(data) > 0 && fits == 0 {
		wantError(t, "writing what does not fit", err, unix.ENOSPC)
	} else {
		wantNoError(t, "writing", err)
	}
	if int64(n) != fits {
		t.Fatalf("wrote %d bytes of %d at %d, want %d", n, len(data), offset, fits)
	}
	if n > 0 {
		file.grow(offset + fits)
		copy(file.content[offset:], data[:n])
	}
}

// fits is how many bytes of a write there is room for.
func (m *treeModel) fits(file *fileModel, offset, end int64) int64 {
	room := file.charge() + m.limit - m.used() // to where the file may reach
	if end <= int64(len(file.content)) {
		return end - offset
	}
	return max(0, min(end, room)-offset)
}

func (f *fileModel) grow(size int64) {
	if more := size - int64(len(f.content)); more > 0 {
		f.content = append(f.content, make([]byte, more)...)
	}
}

// may says whether a file may reach to end, in bytes.
func (m *treeModel) may(file *fileModel, end int64) bool {
	return m.used()-file.charge()+max(file.charge(), roundToPages(end)) <= m.limit
}

func (m *treeModel) Resize(t *rapid.T) {
	file := m.draw(t, func(file *fileModel) bool { return file.referred })
	if file == nil {
		return
	}
	size := drawOffset(t, "size")
	var err error
	if len(file.objects) > 0 && rapid.Bool().Draw(t, "through an object") {
		err = file.objects[0].Resize(size)
	} else {
		_, err = m.world.tree.Change(file.id, Change{Size: &size})
	}
	if !m.may(file, size) {
		wantError(t, "resizing to what does not fit", err, unix.ENOSPC)
		return
	}
	wantNoError(t, "resizing", err)
	if size <= int64(len(file.content)) {
		file.content = file.content[:size:size]
		file.reserved = 0
	}
	file.grow(size)
}

func (m *treeModel) Allocate(t *rapid.T) {
	file, object := m.drawOpen(t)
	if file == nil {
		return
	}
	mode := rapid.SampledFrom([]uint32{0, unix.FALLOC_FL_KEEP_SIZE}).Draw(t, "mode")
	offset, length := drawOffset(t, "offset"), 1+drawOffset(t, "length")
	end := offset + length
	err := object.Allocate(mode, offset, length)
	if !m.may(file, end) {
		wantError(t, "allocating what does not fit", err, unix.ENOSPC)
		return
	}
	wantNoError(t, "allocating", err)
	if mode == 0 {
		file.grow(end)
	} else {
		file.reserved = max(file.reserved, roundToPages(end))
	}
}

func (m *treeModel) Punch(t *rapid.T) {
	file, object := m.drawOpen(t)
	if file == nil {
		return
	}
	offset, length := drawOffset(t, "offset"), 1+drawOffset(t, "length")
	err := object.Allocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
	wantNoError(t, "punching", err)
	size := int64(len(file.content))
	clear(file.content[min(offset, size):min(offset+length, size)])
}

func (m *treeModel) SetLimits(t *rapid.T) {
	limit := rapid.Int64Range(modelLimit/2, 2*modelLimit).Draw(t, "pages") * pageSize
	err := m.world.tree.SetLimits(Limits{}, Limits{Size: limit})
	if limit < m.used() {
		wantError(t, "a limit that is too low", err, unix.EINVAL)
		return
	}
	wantNoError(t, "setting a limit", err)
	m.limit = limit
}

// The patience that waits for memory to come free passes in no time inside the bubble.
func TestTreeAgainstItsModel(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(storeKinds)) {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			rapid.Check(t, func(t *rapid.T) {
				rapid.SyncTest(t, func(t *rapid.T) {
					w := newWorld(t, storeKinds[name], directory, modelLimit*pageSize)
					m := &treeModel{world: w, limit: modelLimit * pageSize}
					defer m.abandon(t)
					t.Repeat(rapid.StateMachineActions(m))
					m.end(t)
				})
			})
		})
	}
}
