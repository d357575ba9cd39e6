package fs

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"
	"time"

	"shmfs/fs/table"
	"shmfs/objects"
	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// objectText is everything about one object. The kernel has checked that who asks may come to it.
func (f *Filesystem) objectText(id uint64, from asker) ([]byte, error) {
	stat, err := f.tree.Stat(id)
	if err != nil {
		return nil, err
	}
	found := objects.Found{Path: f.nameToShow(id), Stat: stat}
	if !f.newSight(from).path(found.Path) {
		found.Path = nameless(id) // another of its names, in a directory that is not for who asks
	}
	kind := kindOf(&found)
	var text strings.Builder
	line := func(key string, value any) { fmt.Fprintf(&text, "%s: %v\n", key, value) }
	line("name", table.Escape(found.Path))
	line("type", kind)
	line("inode", id)
	line("size", stat.Size)
	line("charged", f.tree.ChargeOf(&stat))
	if stat.Mode&unix.S_IFMT == unix.S_IFREG {
		resident, huge := f.memoryInUse(id, &stat)
		line("resident", resident)
		line("huge", huge)
	}
	line("blocks", stat.Blocks)
	line("mode", fmt.Sprintf("%04o", stat.Mode&0o7777))
	line("uid", stat.Uid)
	line("user", table.Escape(userName(stat.Uid)))
	line("gid", stat.Gid)
	line("group", table.Escape(groupName(stat.Gid)))
	line("links", stat.Nlink)
	for _, moment := range []struct {
		key string
		at  unix.Timespec
	}{{"accessed", stat.Atim}, {"modified", stat.Mtim}, {"changed", stat.Ctim}} {
		line(moment.key, stamp(timeAt(moment.at)))
	}
	line("created", stamp(f.birthOf(id)))
	f.addCreator(line, id, from)
	f.addUsers(line, id, &stat, from)
	f.addKind(line, id, kind, from)
	return []byte(text.String()), nil
}

// memoryInUse returns how many bytes of a file are in memory, and how many of these in huge pages, "-" where the kernel cannot tell.
func (f *Filesystem) memoryInUse(id uint64, stat *unix.Stat_t) (resident int64, huge string) {
	object, err := f.tree.Open(id, unix.O_RDONLY|unix.O_NOATIME)
	if err != nil {
		return stat.Blocks * 512, "-"
	}
	defer object.Close()
	if amount, err := object.Region().Residency(0, max(stat.Size, 0)); err == nil {
		resident = amount.Resident
	}
	return resident, hugeBytes(object)
}

// hugeBytes is how many bytes of a file lie in huge pages, "-" where the kernel cannot tell without making pages.
func hugeBytes(object *objects.Object) string {
	bytes, err := object.Region().HugeBytes()
	if err != nil {
		return "-"
	}
	return strconv.FormatInt(bytes, 10)
}

// noteCreator remembers who made an object, for as long as there is one.
func (f *Filesystem) noteCreator(id uint64, thread uint32) {
	if by := f.askers.known(thread).creator; by != (objects.Creator{}) {
		f.tree.SetCreator(id, by)
	}
}

func (f *Filesystem) addCreator(line func(string, any), id uint64, from asker) {
	made, known := f.tree.Creator(id)
	if !known || !f.newSight(from).process(int(made.Process), ^uint32(0)) {
		made = objects.Creator{}
	}
	process := "-"
	if made.Process != 0 {
		process = strconv.FormatUint(uint64(made.Process), 10)
	}
	line("creator-pid", process)
	line("creator-command", table.Escape(made.Command))
	line("creator-cgroup", table.Escape(made.Cgroup))
}

// addUsers tells who has an object open or mapped.
func (f *Filesystem) addUsers(line func(string, any), id uint64, stat *unix.Stat_t, from asker) {
	opens := f.openedRows(from, func(handle *handle) bool { return handle.node == id })
	var mapped []mappedBy
	if stat.Mode&unix.S_IFMT == unix.S_IFREG { // nothing else can be mapped, and to look takes milliseconds
		mapped, _ = f.mappedRows(from, id)
	}
	line("opens", f.openings.counts()[id])
	line("mappers", len(mapped))
	for _, row := range mapped {
		line("mapper", fmt.Sprintf("pid %d, user %s, command %s, bytes %d, resident %d, sharing %s, protection %s",
			row.process, table.Escape(row.user), strconv.Quote(row.command), row.end-row.start, row.resident, row.sharing, row.protection))
	}
	for _, row := range opens {
		line("open", fmt.Sprintf("pid %d, user %s, command %s, flags %s, since %s", row.process, table.Escape(userName(row.origin.uid)),
			strconv.Quote(row.command), flagWords(row.origin.flags), stamp(row.origin.since)))
	}
}

// addKind tells what only objects of its kind have.
func (f *Filesystem) addKind(line func(string, any), id uint64, kind string, from asker) {
	policy := "-"
	if kind == "semaphore" {
		value, err := f.tree.Getxattr(id, orphanAttribute)
		if err != nil {
			value = []byte(orphanKeep)
		}
		policy = "on-orphan=" + table.Escape(string(value))
	}
	line("policy", policy)
	if kind == "symlink" {
		target, _ := f.tree.Readlink(id)
		line("target", table.Escape(target))
	}
	if kind != "semaphore" {
		return
	}
	if !f.tree.Readable(id, func(check func() error) error { return f.as(from, check) }) {
		line("state", unreadable)
		return
	}
	report, err := f.reportOf(id)
	if err != nil {
		return
	}
	lines := report.Text(semfs.Surroundings{Created: f.birthOf(id), Stuck: f.stuck(id, report)})
	for one := range strings.Lines(lines) {
		key, value, _ := strings.Cut(strings.TrimSuffix(one, "\n"), ": ")
		if key != "created" {
			line(key, value)
		}
	}
}

// stamp is a time in UTC with all nanoseconds, as tables have it; "-" for the zero time.
func stamp(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// groupName is a group's name, or the number of one that has none.
func groupName(gid uint32) string {
	number := strconv.FormatUint(uint64(gid), 10)
	if known, err := user.LookupGroupId(number); err == nil {
		return known.Name
	}
	return number
}
