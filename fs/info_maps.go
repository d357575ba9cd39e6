package fs

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"shmfs/fs/mappers"
	"shmfs/fs/table"
)

// mappedBy is one mapping of an object in a process.
type mappedBy struct {
	object     string
	process    int
	user       string
	command    string
	start, end uint64
	offset     uint64
	protection string
	sharing    string
	resident   int64
}

// mapsText is the table of who maps what.
func (f *Filesystem) mapsText(from asker) ([]byte, error) {
	rows, err := f.mappedRows(from, 0)
	if err != nil {
		return nil, err
	}
	text := table.New(table.Column{Name: "OBJECT"}, table.Column{Name: "START-END"}, table.Column{Name: "PROTECTION"},
		table.Column{Name: "SHARING"}, table.Column{Name: "OFFSET", Align: table.Right}, table.Column{Name: "RESIDENT", Align: table.Right},
		table.Column{Name: "PID", Align: table.Right}, table.Column{Name: "USER"}, table.Column{Name: "COMMAND"})
	for _, row := range rows {
		text.Add(row.object)
		text.AddRange(row.start, row.end)
		text.Append(row.protection, row.sharing)
		text.AddUint(row.offset)
		text.AddInt(row.resident)
		text.AddInt(int64(row.process))
		text.Append(row.user, row.command)
	}
	return rendered(text), nil
}

// mappedRows returns the mappings of a node, or of all if it is 0, that who asks may know of, by object, process and address.
func (f *Filesystem) mappedRows(from asker, node uint64) ([]mappedBy, error) {
	ctx, cancel := context.WithTimeout(context.Background(), longestScan)
	defer cancel()
	found, err := f.census.mappings(ctx, node)
	if err != nil {
		return nil, err
	}
	var rows []mappedBy
	sight := f.newSight(from)
	names := make(map[uint64]string)
	for _, one := range found {
		if f.helper != nil && f.helper.has(uint32(one.Process)) || !sight.process(one.Process, ^uint32(0)) {
			continue
		}
		name, known := names[one.Inode]
		if !known {
			name = f.nameToShow(one.Inode)
			names[one.Inode] = name
		}
		if !sight.path(name) {
			continue
		}
		rows = append(rows, f.mappedRow(&one, name))
	}
	slices.SortStableFunc(rows, func(a, b mappedBy) int {
		return cmp.Or(strings.Compare(a.object, b.object), cmp.Compare(a.process, b.process), cmp.Compare(a.start, b.start))
	})
	return rows, nil
}

func (f *Filesystem) mappedRow(one *mappers.Mapping, name string) mappedBy {
	sharing := "private"
	if one.Range.Shared {
		sharing = "shared"
	}
	_, command := f.askers.who(uint32(one.Process))
	return mappedBy{
		object: name, process: one.Process, user: ownerOf(one.Process), command: command,
		start: one.Range.Start, end: one.Range.End, offset: one.Range.Offset,
		protection: one.Protection, sharing: sharing, resident: one.Resident,
	}
}

// ownerOf is the user of a process; empty when it is gone.
func ownerOf(process int) string {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", process))
	if err != nil {
		return ""
	}
	return userName(info.Sys().(*syscall.Stat_t).Uid)
}

// mappings returns the mappings of files of this mount, or of one node, in all processes.
func (c *census) mappings(ctx context.Context, node uint64) ([]mappers.Mapping, error) {
	if c.device == 0 {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	found, _, err := mappers.ScanMount(ctx, c.device, node)
	return found, err
}
