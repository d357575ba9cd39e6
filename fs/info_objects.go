package fs

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"shmfs/fs/table"
	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// breath is how many rows of a table are made before others get the processor.
const breath = 500

// objectRow is one line of the table of objects.
type objectRow struct {
	path     string
	kind     string
	stat     unix.Stat_t
	charged  int64
	resident int64
	readable bool // of a semaphore: by who asks
}

// objectsText is the table of everything that has a name, as far as who asks may look.
func (f *Filesystem) objectsText(from asker) ([]byte, error) {
	rows, err := f.objectRows(from)
	if err != nil {
		return nil, err
	}
	opens := f.openings.counts()
	text := table.New(table.Column{Name: "NAME"}, table.Column{Name: "TYPE"}, table.Column{Name: "SIZE", Align: table.Right},
		table.Column{Name: "CHARGED", Align: table.Right}, table.Column{Name: "RESIDENT", Align: table.Right},
		table.Column{Name: "MODE"}, table.Column{Name: "UID", Align: table.Right}, table.Column{Name: "GID", Align: table.Right},
		table.Column{Name: "LINKS", Align: table.Right}, table.Column{Name: "OPENS", Align: table.Right},
		table.Column{Name: "INODE", Align: table.Right}, table.Column{Name: "MODIFIED"})
	for i, row := range rows {
		text.Add(row.path)
		text.Add(row.kind)
		text.AddInt(row.stat.Size)
		text.AddInt(row.charged)
		text.AddInt(row.resident)
		text.AddMode(row.stat.Mode & 0o7777)
		text.AddUint(uint64(row.stat.Uid))
		text.AddUint(uint64(row.stat.Gid))
		text.AddUint(uint64(row.stat.Nlink))
		text.AddInt(int64(opens[row.stat.Ino]))
		text.AddUint(row.stat.Ino)
		text.AddTime(timeAt(row.stat.Mtim))
		if i%breath == 0 {
			runtime.Gosched()
		}
	}
	return rendered(text), nil
}

// rendered makes a table's text, and lets others have the processor meanwhile.
func rendered(text *table.Table) []byte {
	rendering := text.Render()
	for rendering.Next(breath) {
		runtime.Gosched()
	}
	return rendering.Text()
}

// objectRows walks through everything, sorted by path. Rows are made some at a time and then moved by their pointers only: to copy
// those of 100,000 objects in one go would take milliseconds, in which nobody else gets the processor.
func (f *Filesystem) objectRows(from asker) ([]*objectRow, error) {
	var rows []*objectRow
	var room []objectRow
	err := f.walkAs(from, func(found *objects.Found) error {
		if len(room) == 0 {
			room = make([]objectRow, breath)
		}
		row := &room[0]
		room = room[1:]
		*row = objectRow{path: found.Path, kind: kindOf(found), stat: found.Stat, charged: found.Charged}
		if found.Stat.Mode&unix.S_IFMT == unix.S_IFREG {
			var err error
			if row.resident, err = found.Resident(); err != nil {
				return err
			}
		}
		row.readable = row.kind == "semaphore" && found.Readable()
		rows = append(rows, row)
		return nil
	})
	sortByPath(rows)
	return rows, err
}

// sortByPath lets others have the processor meanwhile.
func sortByPath(rows []*objectRow) {
	compared := 0
	slices.SortFunc(rows, func(a, b *objectRow) int {
		if compared++; compared%(10*breath) == 0 {
			runtime.Gosched()
		}
		return strings.Compare(a.path, b.path)
	})
}

// walkAs walks as far as who asks may look.
func (f *Filesystem) walkAs(from asker, visit func(*objects.Found) error) error {
	visited := 0
	return f.as(from, func() error {
		return f.tree.Walk(func(found *objects.Found) error {
			if visited++; visited%breath == 0 {
				runtime.Gosched()
			}
			return visit(found)
		})
	})
}

// kindOf names what a name leads to.
func kindOf(found *objects.Found) string {
	switch found.Stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFCHR:
		return "character"
	case unix.S_IFBLK:
		return "block"
	}
	if !strings.Contains(found.Path, "/") && isSemaphoreName(objects.RootID, found.Path) {
		return "semaphore"
	}
	return "file"
}

func timeAt(at unix.Timespec) time.Time { return time.Unix(at.Unix()) }

// counts returns how many handles each open file has, by node.
func (o *openings) counts() map[uint64]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	counts := make(map[uint64]int, len(o.byNode))
	for node, file := range o.byNode {
		counts[node] = file.count
	}
	return counts
}
