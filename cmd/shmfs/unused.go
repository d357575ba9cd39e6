package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/fs/table"
)

// unusedObject is an object or semaphore that nobody has open or mapped.
type unusedObject struct {
	object
	kind     string
	size     string
	resident string
	owner    string
	inode    string
	modified time.Time
	created  time.Time // zero where it is not known
	process  string    // who created it; empty where it is not known
	command  string    // of who created it; empty where it is not known
}

// findUnused returns the objects and semaphores, as far as the names reach, that nobody has open or mapped who the asker may see.
func findUnused(mount string, names []string) ([]*unusedObject, error) {
	objects, err := readObjects(mount, names)
	if err != nil {
		return nil, err
	}
	users, err := readUsers(mount, nil)
	if err != nil {
		return nil, err
	}
	used := usedInodes(objects, users)
	var unused []*unusedObject
	for _, row := range objects.Rows {
		kind := at(objects, row, "TYPE")
		if kind != "file" && kind != "semaphore" || used[at(objects, row, "INODE")] {
			continue
		}
		unused = append(unused, &unusedObject{
			object: object{name: at(objects, row, "NAME"), mount: mount}, kind: kind, size: at(objects, row, "SIZE"),
			resident: at(objects, row, "RESIDENT"), owner: at(objects, row, "OWNER"), inode: at(objects, row, "INODE"),
			modified: parseTime(at(objects, row, "MODIFIED")),
		})
	}
	return unused, nil
}

// usedInodes returns which inodes somebody uses. A use shows under one name only of an object that has several.
func usedInodes(objects, users *table.Parsed) map[string]bool {
	used, named := map[string]bool{}, map[string]bool{}
	for _, row := range users.Rows {
		name := at(users, row, "OBJECT")
		named[name] = true
		if inode, found := strings.CutPrefix(name, "#"); found {
			used[inode] = true
		}
	}
	for _, row := range objects.Rows {
		if opens := at(objects, row, "OPENS"); named[at(objects, row, "NAME")] || opens != "0" && opens != "" {
			used[at(objects, row, "INODE")] = true
		}
	}
	return used
}

// parseTime returns the zero time of what is none.
func parseTime(text string) time.Time {
	when, _ := time.Parse(time.RFC3339Nano, text)
	return when
}

// lookUp finds out who created the object and when, and whether it still is unused and the same.
func (u *unusedObject) lookUp() (stillUnused bool, err error) {
	pairs, err := u.status()
	if err != nil {
		return false, err
	}
	u.created = parseTime(valueOf(pairs, "created"))
	u.process = strings.TrimPrefix(valueOf(pairs, "creator-pid"), "-")
	if command := valueOf(pairs, "creator-command"); command != "-" {
		u.command = plainValue("creator-command", command)
	}
	return valueOf(pairs, "inode") == u.inode && valueOf(pairs, "opens") == "0" && valueOf(pairs, "mappers") == "0", nil
}

// isGone reports whether the name leads to nothing any more.
func (u *unusedObject) isGone() bool {
	var found unix.Stat_t
	return errors.Is(unix.Lstat(u.path(), &found), unix.ENOENT)
}

// born is when it was created or, where that is not known, changed last.
func (u *unusedObject) born() time.Time {
	if u.created.IsZero() {
		return u.modified
	}
	return u.created
}

// quiet is for how long it is known to have been left alone: since its contents, as far as that is told, or itself were made.
func (u *unusedObject) quiet(now time.Time) time.Duration {
	if u.created.After(u.modified) {
		return now.Sub(u.created)
	}
	return now.Sub(u.modified)
}

// isOrphan reports whether the process that created it is known and has ended.
func (u *unusedObject) isOrphan() bool {
	process, err := strconv.Atoi(u.process)
	return err == nil && process > 0 && errors.Is(unix.Kill(process, 0), unix.ESRCH)
}

// unusedTable is the table of what nobody uses.
func unusedTable(unused []*unusedObject, now time.Time) *table.Parsed {
	all := &table.Parsed{Header: []string{"NAME", "TYPE", "SIZE", "RESIDENT", "OWNER", "AGE", "CREATOR", "CREATOR-PID", "CREATED",
		"MODIFIED", "INODE"}}
	for _, one := range unused {
		created := ""
		if !one.created.IsZero() {
			created = one.created.UTC().Format(time.RFC3339Nano)
		}
		age := strconv.FormatFloat(max(now.Sub(one.born()).Seconds(), 0), 'f', 0, 64)
		all.Rows = append(all.Rows, []string{one.name, one.kind, one.size, one.resident, one.owner, age, one.command,
			one.process, created, one.modified.UTC().Format(time.RFC3339Nano), one.inode})
	}
	return all
}
