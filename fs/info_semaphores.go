package fs

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"shmfs/fs/table"
	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// semaphoresText is the table of semaphores.
func (f *Filesystem) semaphoresText(from asker) ([]byte, error) {
	rows, err := f.objectRows(from)
	if err != nil {
		return nil, err
	}
	text := table.New(table.Column{Name: "NAME"}, table.Column{Name: "VALUE", Align: table.Right},
		table.Column{Name: "WAITERS", Align: table.Right}, table.Column{Name: "HELD", Align: table.Right}, table.Column{Name: "LAYOUT"},
		table.Column{Name: "INITIAL", Align: table.Right}, table.Column{Name: "STATE"}, table.Column{Name: "MODE"},
		table.Column{Name: "UID", Align: table.Right}, table.Column{Name: "GID", Align: table.Right}, table.Column{Name: "CREATED"})
	rows = slices.DeleteFunc(rows, func(row *objectRow) bool { return row.kind != "semaphore" })
	for _, row := range rows {
		if f.semaphores.isPassing(row.stat.Ino, row.path) {
			continue
		}
		if !row.readable {
			f.addSemaphore(text, row, nil)
			continue
		}
		report, err := f.reportOf(row.stat.Ino)
		if errors.Is(err, unix.ESTALE) || errors.Is(err, unix.ENOENT) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, err
		}
		f.addSemaphore(text, row, &report)
	}
	return rendered(text), nil
}

// addSemaphore adds a line about a semaphore; without a report it is one that who asks may not read.
func (f *Filesystem) addSemaphore(text *table.Table, row *objectRow, report *semfs.Report) {
	text.Add(strings.TrimPrefix(row.path, semaphorePrefix))
	if report == nil {
		text.Append("", "", "", "", "", unreadable)
	} else {
		addReport(text, report)
	}
	text.AddMode(row.stat.Mode & 0o7777)
	text.AddUint(uint64(row.stat.Uid))
	text.AddUint(uint64(row.stat.Gid))
	text.AddTime(f.birthOf(row.stat.Ino))
}

// unreadable is the state of a semaphore for whom its mode keeps from reading it.
const unreadable = "unreadable"

func addReport(text *table.Table, report *semfs.Report) {
	if report.Layout == nil {
		text.Append("", "")
	} else {
		text.AddUint(uint64(report.Value))
		text.AddUint(uint64(report.Waiters))
	}
	text.AddUint(report.Held())
	switch {
	case report.Layout == nil:
		text.Append("", "", "invalid")
	case report.Noted:
		text.Add(report.Layout.String())
		text.AddUint(uint64(report.Initial))
		text.Add("ok")
	default:
		text.Append(report.Layout.String(), "", "ok")
	}
}

// birthOf is when a node's file was made; the zero time when it is gone.
func (f *Filesystem) birthOf(id uint64) time.Time {
	stat, err := f.tree.Statx(id, unix.STATX_BTIME)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(stat.Btime.Sec, int64(stat.Btime.Nsec))
}

// reportOf returns what there is to say of a semaphore, open or not.
func (f *Filesystem) reportOf(id uint64) (semfs.Report, error) {
	file := f.reopen(id)
	if file == nil {
		return f.reportUnmapped(id)
	}
	defer f.release(file)
	operator, err := f.operatorOf(file)
	if err != nil {
		return semfs.Report{}, err
	}
	return operator.Report()
}

// reportUnmapped reads a semaphore that nobody has open, so that nobody waits through its file.
func (f *Filesystem) reportUnmapped(id uint64) (semfs.Report, error) {
	object, err := f.tree.Open(id, unix.O_RDONLY)
	if err != nil {
		return semfs.Report{}, err
	}
	defer object.Close()
	image := make([]byte, semfs.Size+1)
	n, err := object.ReadAt(image, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return semfs.Report{}, err
	}
	return semfs.Report{State: semfs.StateOf(image[:n])}, nil
}
