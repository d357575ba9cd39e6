package objects

import (
	"encoding/binary"
	"fmt"

	"shmfs/mmapcore"
	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// The words of a node's row in the record, which outlives the process. Each is stored by itself; what a death between two of them
// leaves is told apart at Resume.
const (
	nodeID          = iota
	nodeHandle      // length of the file handle, in bytes, 0: none; the owner in the upper half
	nodeHandleBytes // three words
	_
	_
	nodeLookups
	nodeCharged  // bytes; bit 0 is set while charge, or owner, and the inode may differ
	nodeReserved // end of what fallocate reserved behind the file's end, in bytes
	nodeFlags
	nodeWords
)

// The keeper's token stands in the upper half of the flags, the inode's type above kindShift, above that to the half the creator's number.
const (
	flagNameless = 1 << iota
	flagKept     // the keeper holds the inode
	flagLinkInside
	flagLinkPaged // of a symbolic link one of the two, unless an earlier version has recorded it

	kindShift    = 8
	creatorShift = 12
	typeShift    = 12 // of a type in a mode
)

// unsettled marks a charge that does not have to agree with the size and the owner: one of them is about to change.
const unsettled = 1

// longestHandle is the longest file handle that a row has room for, in bytes: tmpfs's and those of disk file systems are shorter.
const longestHandle = 24

// newRow begins a node's row.
func (t *Tree) newRow(node *Node) (record.Row, error) {
	words := make([]uint64, nodeWords)
	words[nodeID] = node.id
	words[nodeHandle] = node.handleWord()
	var bytes [longestHandle]byte
	copy(bytes[:], node.handle)
	for i := range 3 {
		words[nodeHandleBytes+i] = binary.LittleEndian.Uint64(bytes[8*i:])
	}
	words[nodeCharged] = uint64(node.charged)
	words[nodeFlags] = node.flags()
	row, err := t.rows.Add(words...)
	if err != nil {
		return record.Row{}, fmt.Errorf("recording a node: %w", err)
	}
	return row, nil
}

func (n *Node) handleWord() uint64 { return uint64(len(n.handle)) | uint64(n.owner)<<32 }

func (n *Node) flags() uint64 {
	flags := uint64(n.token)<<32 | uint64(n.kind>>typeShift)<<kindShift
	if n.nameless {
		flags |= flagNameless
	}
	if n.kept {
		flags |= flagKept
	}
	if n.creator != nil {
		flags |= uint64(n.creator.number) << creatorShift
	}
	switch n.link {
	case linkInside:
		flags |= flagLinkInside
	case linkPaged:
		flags |= flagLinkPaged
	}
	return flags
}

// recordFlags brings the row in line with the node. The caller holds Tree.mu.
func (n *Node) recordFlags() { n.row.Store(nodeFlags, n.flags()) }

// count sets the references that the kernel holds. The caller holds Tree.mu.
func (n *Node) count(lookups uint64) {
	n.lookups = lookups
	n.row.Store(nodeLookups, lookups)
}

// setCharged sets what the ledger holds for the inode. It is settled when the size agrees with it. The caller holds growth.
func (n *Node) setCharged(bytes int64, settled bool) {
	n.charged = bytes
	if n.row == (record.Row{}) { // nobody knows the node any more
		return
	}
	word := uint64(bytes)
	if !settled {
		word |= unsettled
	}
	n.row.Store(nodeCharged, word)
}

// setOwner sets to whom the inode is charged. The caller holds growth.
func (n *Node) setOwner(uid uint32) {
	n.owner = uid
	if n.row != (record.Row{}) {
		n.row.Store(nodeHandle, n.handleWord())
	}
}

// setReserved sets the end of what is reserved behind the file's end. The caller holds growth.
func (n *Node) setReserved(end int64) {
	n.reservedEnd = end
	if n.row != (record.Row{}) {
		n.row.Store(nodeReserved, uint64(end))
	}
}

// nodeOf is a node as its row has it, and whether its charge agrees with its size.
func (t *Tree) nodeOf(row record.Row, words []uint64) (node *Node, settled bool, err error) {
	length := words[nodeHandle] & 0xffffffff
	if length > longestHandle || words[nodeID] == 0 {
		return nil, false, fmt.Errorf("the record of a node is mangled: %w", unix.EUCLEAN)
	}
	var bytes [longestHandle]byte
	for i := range 3 {
		binary.LittleEndian.PutUint64(bytes[8*i:], words[nodeHandleBytes+i])
	}
	flags := words[nodeFlags]
	node = &Node{
		id: words[nodeID], handle: mmapcore.FileHandle(bytes[:length]), row: row, held: -1,
		lookups: words[nodeLookups], charged: int64(words[nodeCharged] &^ unsettled), reservedEnd: int64(words[nodeReserved]),
		nameless: flags&flagNameless != 0, kept: flags&flagKept != 0,
		token: uint32(flags >> 32), kind: uint32(flags) >> kindShift << typeShift & unix.S_IFMT,
		owner: uint32(words[nodeHandle] >> 32), counted: words[nodeID] != RootID,
	}
	node.creator = t.creators.numbered(uint32(flags) >> creatorShift)
	switch {
	case flags&flagLinkInside != 0:
		node.link = linkInside
	case flags&flagLinkPaged != 0:
		node.link = linkPaged
	}
	if node.handle != "" {
		node.generation = node.handle.Generation()
	}
	return node, words[nodeCharged]&unsettled == 0, nil
}
