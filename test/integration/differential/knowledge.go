package differential

import (
	"golang.org/x/sys/unix"
)

// knowledge is what is known of the case's state, learned from the reference side's answers. Calls that would run into an
// intended difference are recognised by it.
type knowledge struct {
	sizes      map[uint64]int64 // bytes, by inode of regular files
	files      [][fileSlots]holding
	areas      [][areaSlots]mapped
	dirty      map[uint64]bool // inodes that were stored to through a shared mapping
	everMapped map[uint64]bool // inodes that have been mapped
	paths      []Name          // that exist, or did a moment ago; relative to the case's directory
	regular    []Name          // those of paths that are regular files
	moved      []bool          // workers that changed their working directory
}

// holding is what a descriptor slot holds.
type holding struct {
	inode uint64 // 0 for nothing
	kind  uint32 // a file type as in st_mode
}

// mapped is what a mapping slot holds.
type mapped struct {
	inode          uint64 // 0 for nothing
	offset, length int64  // bytes, of the file
	shared         bool
	protections    [areaPages]int // of each page; PROT_NONE where nothing is mapped any more
}

func newKnowledge() *knowledge {
	return &knowledge{
		sizes:      make(map[uint64]int64),
		files:      make([][fileSlots]holding, len(identities)),
		areas:      make([][areaSlots]mapped, len(identities)),
		dirty:      make(map[uint64]bool),
		everMapped: make(map[uint64]bool),
		moved:      make([]bool, len(identities)),
	}
}

// learn takes in the reference side's answer to a call.
func (k *knowledge) learn(c Call, answer response) {
	for _, sight := range append(answer.Before, answer.After...) {
		if sight.isRegular() {
			k.sizes[sight.Inode] = int64(sight.Size)
		}
	}
	after := byLabel(answer.After)
	watches := operationNamed[c.Operation].watches
	if watches&watchesFile != 0 {
		k.files[c.Worker][c.File] = held(after["file"])
	}
	if watches&watchesOther != 0 {
		k.files[c.Worker][c.Other] = held(after["other file"])
	}
	if answer.Outcome.Errno == "" || c.Operation == "mmap" {
		k.learnEffect(c, after["file"].Inode, answer.Outcome.Errno == "")
	}
}

// learnEffect takes in what a call did to the worker's mappings and working directory.
func (k *knowledge) learnEffect(c Call, inode uint64, succeeded bool) {
	area := &k.areas[c.Worker][c.Area]
	switch c.Operation {
	case "chdir", "fchdir":
		k.moved[c.Worker] = true
	case "mmap":
		*area = mapped{} // a failed one leaves nothing mapped either; see arena.mapFile
		if succeeded {
			shared := c.Flags&unix.MAP_TYPE != unix.MAP_PRIVATE
			*area = mapped{inode: inode, offset: c.Offset, length: c.Length, shared: shared}
			area.protect(0, c.Length, c.Protection)
			k.everMapped[inode] = true
		}
	case "munmap":
		area.protect(c.Offset, c.Length, unix.PROT_NONE)
	case "mprotect":
		area.protect(c.Offset, c.Length, c.Protection)
	case "store", "read into mapping":
		if area.shared {
			k.dirty[area.inode] = true
		}
	}
}

func (m *mapped) protect(offset, length int64, protection int) {
	for page := offset / pageSize; page*pageSize < offset+length && page < areaPages; page++ {
		m.protections[page] = protection
	}
}

// allows tells whether every page of the range has all of the given protection, inside the mapping.
func (m *mapped) allows(offset, length int64, protection int) bool {
	if offset+length > m.length {
		return false
	}
	for page := offset / pageSize; page*pageSize < offset+length; page++ {
		if m.protections[page]&protection != protection {
			return false
		}
	}
	return true
}

func held(sight Sight) holding { return holding{sight.Inode, sight.Mode & unix.S_IFMT} }

// inFile says how the byte at an offset of a mapping slot stands to the mapped file: how many bytes of the file begin
// there (0 for none), and whether it lies past the file's end in the file's last page.
func (k *knowledge) inFile(worker, area int, offset int64) (rest int64, inTail bool) {
	what := k.areas[worker][area]
	if what.inode == 0 {
		return 0, false
	}
	at, size := what.offset+offset, k.sizes[what.inode]
	if at < size {
		return size - at, false
	}
	return 0, at < (size+pageSize-1)/pageSize*pageSize
}
