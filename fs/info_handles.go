package fs

import (
	"cmp"
	"slices"
	"strings"

	"shmfs/fs/table"
)

// openedBy is one open file or directory, and who opened it.
type openedBy struct {
	node    uint64
	object  string
	process uint32
	command string
	origin  origin
}

// handlesText is the table of who has what open.
func (f *Filesystem) handlesText(from asker) ([]byte, error) {
	rows := f.openedRows(from, func(*handle) bool { return true })
	text := table.New(table.Column{Name: "OBJECT"}, table.Column{Name: "PID", Align: table.Right}, table.Column{Name: "USER"},
		table.Column{Name: "COMMAND"}, table.Column{Name: "FLAGS"}, table.Column{Name: "SINCE"})
	for _, row := range rows {
		text.Add(row.object)
		text.AddUint(uint64(row.process))
		text.Add(userName(row.origin.uid))
		text.Add(row.command)
		text.Add(flagWords(row.origin.flags))
		text.AddTime(row.origin.since)
	}
	return rendered(text), nil
}

// openedRows returns the handles that are wanted and that who asks may know of, by object and then by process.
func (f *Filesystem) openedRows(from asker, wanted func(*handle) bool) []openedBy {
	var rows []openedBy
	sight := f.newSight(from)
	for _, handle := range f.handles.all() {
		of := handle.origin.Load()
		if of == nil || handle.info != nil || !wanted(handle) {
			continue
		}
		row := openedBy{node: handle.node, object: f.nameToShow(handle.node), origin: *of}
		row.process, row.command = f.askers.who(of.thread)
		if sight.process(int(row.process), of.uid) && sight.path(row.object) {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b openedBy) int {
		return cmp.Or(strings.Compare(a.object, b.object), cmp.Compare(a.process, b.process), a.origin.since.Compare(b.origin.since))
	})
	return rows
}

// nameToShow is a node's path, "." for the root, or #INODE when it has none.
func (f *Filesystem) nameToShow(node uint64) string {
	path, err := f.tree.Path(node)
	if err != nil {
		return nameless(node)
	}
	return path
}

// all returns the handles that there are.
func (h *handleTable) all() []*handle {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := make([]*handle, 0, len(h.byID))
	for _, handle := range h.byID {
		all = append(all, handle)
	}
	return all
}
