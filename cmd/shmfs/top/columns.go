package top

import (
	"strconv"

	"shmfs/fs/table"
)

const timeWidth = len("2006-01-02T15:04:05Z")

// objectColumns are the columns of objects. Whoever maps them is unknown where the mount does not tell.
func objectColumns(hasMaps bool) []column[objectRow] {
	mappers := func(row *objectRow) string {
		if !hasMaps {
			return unknown
		}
		return strconv.Itoa(row.Mappers)
	}
	count := func(number int64) string { return strconv.FormatInt(number, 10) }
	return []column[objectRow]{
		{title: "TYPE", width: 9, needed: true, text: func(row *objectRow) string { return table.Escape(row.Type) }},
		{title: "SIZE", width: 6, right: true, needed: true, text: func(row *objectRow) string { return sizeText(row.Size) }},
		{title: "CHARGED", width: 7, right: true, text: func(row *objectRow) string { return sizeText(row.Charged) }},
		{title: "RESIDENT", width: 8, right: true, needed: true, text: func(row *objectRow) string { return sizeText(row.Resident) }},
		{title: "MAPPERS", width: 7, right: true, needed: true, text: mappers},
		{title: "OPENS", width: 5, right: true, needed: true, text: func(row *objectRow) string { return count(row.Opens) }},
		{title: "CHANGE/S", width: 8, right: true, needed: true, text: func(row *objectRow) string { return row.change.text() }},
		{title: "MODE", width: 4, text: func(row *objectRow) string { return table.Escape(row.Mode) }},
		{title: "UID", width: 6, right: true, text: func(row *objectRow) string { return table.Escape(row.UID) }},
		{title: "GID", width: 6, right: true, text: func(row *objectRow) string { return table.Escape(row.GID) }},
		{title: "LINKS", width: 5, right: true, text: func(row *objectRow) string { return count(row.Links) }},
		{title: "INODE", width: 8, right: true, text: func(row *objectRow) string { return strconv.FormatUint(row.Inode, 10) }},
		{title: "MODIFIED", width: timeWidth, text: func(row *objectRow) string { return timeText(row.Modified) }},
	}
}

func semaphoreColumns() []column[Semaphore] {
	return []column[Semaphore]{
		{title: "VALUE", width: 10, right: true, needed: true, text: func(row *Semaphore) string { return table.Escape(row.Value) }},
		{title: "WAITERS", width: 7, right: true, needed: true, text: func(row *Semaphore) string { return table.Escape(row.Waiters) }},
		{title: "HELD", width: 6, right: true, needed: true, text: func(row *Semaphore) string { return table.Escape(row.Held) }},
		{title: "INITIAL", width: 7, right: true, text: func(row *Semaphore) string { return table.Escape(row.Initial) }},
		{title: "LAYOUT", width: 6, needed: true, text: func(row *Semaphore) string { return table.Escape(row.Layout) }},
		{title: "STATE", width: 7, needed: true, text: func(row *Semaphore) string { return table.Escape(row.State) }},
		{title: "MODE", width: 4, text: func(row *Semaphore) string { return table.Escape(row.Mode) }},
		{title: "UID", width: 6, right: true, text: func(row *Semaphore) string { return table.Escape(row.UID) }},
		{title: "GID", width: 6, right: true, text: func(row *Semaphore) string { return table.Escape(row.GID) }},
		{title: "CREATED", width: timeWidth, text: func(row *Semaphore) string { return timeText(row.Created) }},
	}
}

// semaphoreAlarm is how a semaphore is set apart: one that is none, and one on which somebody waits.
func semaphoreAlarm(row *Semaphore) string {
	switch {
	case row.State != "ok":
		return red
	case number(row.Waiters) > 0 && number(row.Value) == 0:
		return yellow
	}
	return ""
}

// objectAlarm sets apart what has changed.
func objectAlarm(row *objectRow) string {
	if row.change.written || row.change.rate >= 1 || row.change.rate <= -1 {
		return green
	}
	return ""
}
