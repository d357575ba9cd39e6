package objects

import (
	"bytes"
	"encoding/binary"
	"slices"

	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// The words of a creator's row in the record. A creator is written as a text: the process in 4 bytes, the command in 16, padded with zeros,
// and the control group. Most have one row; one with a longer text has several, which are added and removed as one.
const (
	creatorNumber = iota // below; the length of the whole text, in bytes, in the upper half
	creatorPiece         // which piece of the text it is, from 0
	creatorText
	creatorWords = creatorText + 16
)

const (
	commandAt    = 4
	commandBytes = 16
	cgroupAt     = commandAt + commandBytes
	longestText  = cgroupAt + unix.PathMax
	pieceBytes   = 8 * (creatorWords - creatorText)

	mostCreators = 1<<(32-creatorShift) - 1 // numbers that nodes' rows have room for
)

func newCreators(memory *record.Memory) (*creators, error) {
	table, err := memory.Table("creators", creatorWords)
	if err != nil {
		return nil, err
	}
	return &creators{memory: memory, table: table, known: make(map[Creator]*creator), byNumber: []*creator{nil}}, nil
}

// record writes a creator down. The errors are those of record.Change, and E2BIG for a control group that has no path.
func (c *creators) record(number uint32, who Creator) ([]record.Row, error) {
	text := who.text()
	if len(text) > longestText {
		return nil, unix.E2BIG
	}
	rows := make([]record.Row, 0, piecesOf(len(text)))
	change := c.memory.Change()
	for piece := range piecesOf(len(text)) {
		words := [creatorWords]uint64{creatorNumber: uint64(number) | uint64(len(text))<<32, creatorPiece: uint64(piece)}
		var padded [pieceBytes]byte
		copy(padded[:], text[piece*pieceBytes:])
		for i := range words[creatorText:] {
			words[creatorText+i] = binary.LittleEndian.Uint64(padded[8*i:])
		}
		rows = append(rows, change.Add(c.table, words[:]...))
	}
	if err := change.Commit(); err != nil {
		return nil, err
	}
	return rows, nil
}

// erase removes rows as one.
func (c *creators) erase(rows []record.Row) {
	change := c.memory.Change()
	for _, row := range rows {
		change.Remove(row)
	}
	if change.Commit() != nil { // no memory for a log: what a death leaves of them is no creator
		for _, row := range rows {
			row.Remove()
		}
	}
}

func (c *Creator) text() []byte {
	text := make([]byte, cgroupAt, cgroupAt+len(c.Cgroup))
	binary.LittleEndian.PutUint32(text, c.Process)
	copy(text[commandAt:cgroupAt], c.Command)
	return append(text, c.Cgroup...)
}

// creatorOf reads what text has written, of at least cgroupAt bytes.
func creatorOf(text []byte) Creator {
	command := text[commandAt:cgroupAt]
	return Creator{
		Process: binary.LittleEndian.Uint32(text), Command: string(bytes.TrimRight(command, "\x00")), Cgroup: string(text[cgroupAt:]),
	}
}

// piecesOf is how many rows a text of so many bytes has.
func piecesOf(length int) int { return (length + pieceBytes - 1) / pieceBytes }

// who is whom a creator stands for. Most that are taken up are never asked for, so they are not read before. Some node must have it.
func (c *creator) who() Creator {
	if c.takenUp == 0 {
		return c.Creator
	}
	text := make([]byte, 0, len(c.rows)*pieceBytes)
	for _, row := range c.rows {
		for word := creatorText; word < creatorWords; word++ {
			text = binary.LittleEndian.AppendUint64(text, row.Load(word))
		}
	}
	return creatorOf(text[:c.takenUp])
}

// takeUp makes the creators known that a process which has died has left, and drops rows that make none. Nobody else uses them yet.
func (c *creators) takeUp() {
	for row, words := range c.table.Each {
		number, length, piece := words[creatorNumber]&(1<<32-1), int(words[creatorNumber]>>32), words[creatorPiece]
		if number == 0 || number > mostCreators || length < cgroupAt || length > longestText || piece >= uint64(piecesOf(length)) {
			row.Remove()
			continue
		}
		for uint64(len(c.byNumber)) <= number {
			c.byNumber = append(c.byNumber, nil)
		}
		one := c.byNumber[number]
		if one == nil {
			one = &creator{number: uint32(number), takenUp: length, rows: make([]record.Row, piecesOf(length))}
			c.byNumber[number] = one
		}
		if one.takenUp != length || one.rows[piece] != (record.Row{}) {
			row.Remove()
			continue
		}
		one.rows[piece] = row
	}
	for number := len(c.byNumber) - 1; number > 0; number-- {
		if one := c.byNumber[number]; one != nil && slices.Contains(one.rows, record.Row{}) {
			for _, row := range one.rows {
				removeRow(row)
			}
			c.byNumber[number] = nil
		}
		if c.byNumber[number] == nil {
			c.free = append(c.free, uint32(number))
		}
	}
}

// removeRow ends a row, if there is one.
func removeRow(row record.Row) {
	if row != (record.Row{}) {
		row.Remove()
	}
}

// numbered returns the creator with a number; nil if there is none.
func (c *creators) numbered(number uint32) *creator {
	if number >= uint32(len(c.byNumber)) {
		return nil
	}
	return c.byNumber[number]
}

// dropUnused forgets what was taken up and no node has: a process was about to note it, or had just forgotten it, when it died.
func (c *creators) dropUnused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.byNumber {
		if one != nil && one.uses == 0 {
			c.drop(one)
		}
	}
}
