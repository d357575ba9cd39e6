package fs

import (
	"maps"
	"os/user"
	"slices"
	"strconv"

	"shmfs/fs/greed"
	"shmfs/fs/table"
	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// holding is what one user has in the mount.
type holding struct {
	bytes   int64 // charged, or under commit=lazy resident
	objects int   // inodes with a name
	handles int   // open files and directories
	readers int   // those among them that are files of the daemon's own tree
	waiters int64 // calls that wait
	turns   greed.Figure
}

// usersText is the table of who holds how much. It is made with the daemon's own rights, since sums tell no names.
func (f *Filesystem) usersText(asker) ([]byte, error) {
	_, _, strict := f.tree.Charged()
	holdings := make(map[uint32]holding)
	seen := make(map[uint64]struct{})
	err := f.walkAs(asker{}, func(found *objects.Found) error {
		if _, again := seen[found.Stat.Ino]; again {
			return nil
		}
		seen[found.Stat.Ino] = struct{}{}
		held := holdings[found.Stat.Uid]
		held.objects++
		bytes := found.Charged
		if !strict && found.Stat.Mode&unix.S_IFMT == unix.S_IFREG {
			var err error
			if bytes, err = found.Resident(); err != nil {
				return err
			}
		}
		held.bytes += bytes
		holdings[found.Stat.Uid] = held
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.tree.Nameless(func(stat *unix.Stat_t, charged int64) {
		held := holdings[stat.Uid]
		if held.bytes += charged; !strict {
			held.bytes += stat.Blocks * 512
		}
		holdings[stat.Uid] = held
	})
	f.addGreed(holdings)
	text := table.New(table.Column{Name: "UID", Align: table.Right}, table.Column{Name: "USER"},
		table.Column{Name: "BYTES", Align: table.Right}, table.Column{Name: "OBJECTS", Align: table.Right},
		table.Column{Name: "LIMIT", Align: table.Right}, table.Column{Name: "HANDLES", Align: table.Right},
		table.Column{Name: "READERS", Align: table.Right}, table.Column{Name: "WAITERS", Align: table.Right},
		table.Column{Name: "REQUESTS", Align: table.Right}, table.Column{Name: "QUEUED", Align: table.Right})
	for _, uid := range slices.Sorted(maps.Keys(holdings)) {
		text.AddUint(uint64(uid))
		text.Add(userName(uid))
		text.AddInt(holdings[uid].bytes)
		text.AddInt(int64(holdings[uid].objects))
		addLimit(text, f.tree.User(uid).Limit.Bytes)
		f.addGreedFields(text, uid, holdings[uid])
	}
	return text.Text(), nil
}

// addGreed adds what each user has of what there are limits for. Who asks a single thing is not worth a line.
func (f *Filesystem) addGreed(holdings map[uint32]holding) {
	change := func(uid uint32, note func(*holding)) {
		held := holdings[uid]
		note(&held)
		holdings[uid] = held
	}
	for _, handle := range f.handles.all() {
		user, known := handle.user()
		if !known {
			continue
		}
		change(user, func(held *holding) {
			held.handles++
			if handle.info.isReader() {
				held.readers++
			}
		})
	}
	for uid, waiters := range f.limits.waiters.All() {
		change(uid, func(held *holding) { held.waiters = waiters })
	}
	for uid, figure := range f.limits.turns.Figures() {
		if _, listed := holdings[uid]; listed || figure.Turns > 1 {
			change(uid, func(held *holding) { held.turns = figure })
		}
	}
}

func (f *Filesystem) addGreedFields(text *table.Table, uid uint32, held holding) {
	text.AddInt(int64(held.handles))
	text.AddInt(int64(held.readers))
	text.AddInt(held.waiters)
	if f.limits.exempts(uid) {
		text.Append("", "") // not counted
		return
	}
	text.AddInt(int64(held.turns.Turns))
	text.AddInt(int64(held.turns.Queued))
}

// userName is a user's name, or the number of one who has none.
func userName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if known, err := user.LookupId(number); err == nil {
		return known.Username
	}
	return number
}
