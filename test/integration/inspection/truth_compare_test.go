package inspection

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// same fails the test for each column whose field is not what it should be.
func same(t *testing.T, what string, got, want row) {
	t.Helper()
	for _, column := range slices.Sorted(maps.Keys(want)) {
		if got[column] != want[column] {
			t.Errorf("%s: %s is %q, want %q", what, column, got[column], want[column])
		}
	}
}

// opensSaid is how often a file is open; in cached mode what is said, unless it is too little.
func (r *truth) opensSaid(inode uint64, said string) string {
	number, err := strconv.Atoi(said)
	if r.cached && err == nil && number >= r.opens(inode) {
		return said
	}
	return itoa(r.opens(inode))
}

func (r *truth) compareObjects(t *testing.T) {
	t.Helper()
	got := rig.Rows(t, text(t, r.mount, "objects"))
	want := slices.Sorted(maps.Keys(r.named))
	if names := column(got, "NAME"); !slices.Equal(names, want) {
		t.Errorf("objects has %q, want %q", names, want)
		return
	}
	for i, path := range want {
		stat := r.named[path]
		expected := row{"TYPE": kindOf(path, &stat), "SIZE": itoa(stat.Size), "CHARGED": itoa(r.charge(&stat)),
			"MODE": fmt.Sprintf("%04o", stat.Mode&0o7777), "UID": itoa(stat.Uid), "GID": itoa(stat.Gid), "LINKS": itoa(stat.Nlink),
			"OPENS": r.opensSaid(stat.Ino, got[i]["OPENS"]), "INODE": itoa(stat.Ino), "MODIFIED": stamp(stat.Mtim), "RESIDENT": itoa(r.resident(t, &stat, got[i]["RESIDENT"]))}
		same(t, "objects "+path, got[i], expected)
	}
}

// resident is how much of a file is in memory: on a tmpfs its blocks, on disk no more than its size, whatever is said.
func (r *truth) resident(t *testing.T, stat *unix.Stat_t, said string) int64 {
	t.Helper()
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0
	}
	number, err := strconv.ParseInt(said, 10, 64)
	if r.stored(t) && err == nil && number >= 0 && number <= (stat.Size+4095)&^4095 {
		return number
	}
	return stat.Blocks * 512
}

func (r *truth) compareSemaphores(t *testing.T) {
	t.Helper()
	got := rig.Rows(t, text(t, r.mount, "semaphores"))
	var want []string
	for path, stat := range r.named {
		if kindOf(path, &stat) == "semaphore" {
			want = append(want, strings.TrimPrefix(path, "sem."))
		}
	}
	slices.Sort(want)
	if names := column(got, "NAME"); !slices.Equal(names, want) {
		t.Fatalf("semaphores has %q, want %q", names, want)
	}
	for _, one := range got {
		path := "sem." + one["NAME"]
		stat := r.named[path]
		content, err := os.ReadFile(filepath.Join(r.mount, path))
		must(t, err)
		is := values(t, string(content))
		same(t, path, one, row{"VALUE": is["value"][0], "WAITERS": is["waiters"][0], "HELD": is["held"][0], "LAYOUT": is["layout"][0],
			"INITIAL": is["initial"][0], "STATE": is["state"][0], "MODE": fmt.Sprintf("%04o", stat.Mode&0o7777), "UID": itoa(stat.Uid), "GID": itoa(stat.Gid)})
	}
}

// object is how a table names a file: by one of its paths, or by number. Any of its paths will do.
func (r *truth) object(t *testing.T, what string, inode uint64, said string) string {
	t.Helper()
	var paths []string
	for path, stat := range r.named {
		if stat.Ino == inode {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		paths = []string{fmt.Sprintf("#%d", inode)}
	}
	if slices.Contains(paths, said) {
		return said
	}
	t.Logf("%s: %s is none of %q", what, said, paths)
	return paths[0]
}

// words are the flags of an open file as handles says them.
func words(flags int64, directory bool) string {
	access := map[int64]string{unix.O_RDONLY: "read", unix.O_WRONLY: "write", unix.O_RDWR: "read,write"}[flags&unix.O_ACCMODE]
	if flags&unix.O_APPEND != 0 {
		access += ",append"
	}
	if flags&unix.O_NONBLOCK != 0 {
		access += ",nonblock"
	}
	if directory {
		access += ",directory"
	}
	return access
}

func (r *truth) compareHandles(t *testing.T) {
	t.Helper()
	got := rig.Rows(t, text(t, r.mount, "handles"))
	var said, want []string
	for _, one := range got {
		said = append(said, fmt.Sprint(r.inodeOf(one["OBJECT"]), " ", one["PID"], " ", one["FLAGS"]))
		if command, _ := os.ReadFile("/proc/" + one["PID"] + "/comm"); one["COMMAND"]+"\n" != string(command) {
			t.Errorf("handles: the command of %s is %q, want %q", one["PID"], one["COMMAND"], command)
		}
		if since, err := time.Parse(time.RFC3339Nano, one["SINCE"]); err != nil || time.Since(since) > time.Hour {
			t.Errorf("handles: since %q, %v", one["SINCE"], err)
		}
	}
	for _, one := range r.used {
		want = append(want, fmt.Sprint(one.inode, " ", one.pid, " ", words(one.flags, one.stat.Mode&unix.S_IFMT == unix.S_IFDIR)))
	}
	slices.Sort(said)
	slices.Sort(want)
	if extra := r.unexplained(got); len(extra) > 0 {
		t.Errorf("handles has what nobody has open: %q", extra)
	}
	for _, one := range want {
		at := slices.Index(said, one)
		if at < 0 {
			t.Errorf("handles lacks %s", one)
			continue
		}
		said = slices.Delete(said, at, at+1)
	}
	if !r.cached && len(got) != len(want) {
		t.Errorf("handles has\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
	if sorted := slices.IsSortedFunc(got, func(a, b row) int { return strings.Compare(a["OBJECT"], b["OBJECT"]) }); !sorted {
		t.Error("handles is not sorted")
	}
}

// inodeOf returns the inode of what a table names.
func (r *truth) inodeOf(object string) uint64 {
	if stat, named := r.named[object]; named {
		return stat.Ino
	}
	inode, _ := strconv.ParseUint(strings.TrimPrefix(object, "#"), 10, 64)
	return inode
}

func (r *truth) compareMaps(t *testing.T) {
	t.Helper()
	got := rig.Rows(t, text(t, r.mount, "maps"))
	byPlace := func(pid, addresses string) string { return pid + " " + addresses }
	said := map[string]row{}
	for _, one := range got {
		said[byPlace(one["PID"], one["START-END"])] = one
	}
	if len(said) != len(r.mapped) || len(got) != len(r.mapped) || len(got) == 0 {
		t.Errorf("maps has %d lines, want %d", len(got), len(r.mapped))
	}
	for _, one := range r.mapped {
		what := byPlace(itoa(one.pid), plain(one.addresses))
		found := said[what]
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", one.pid))
		same(t, "maps "+what, found, row{"OBJECT": r.object(t, what, one.inode, found["OBJECT"]), "PROTECTION": one.protection, "SHARING": one.sharing, "OFFSET": itoa(one.offset),
			"RESIDENT": itoa(one.resident), "COMMAND": strings.TrimSuffix(string(command), "\n"), "USER": itoa(uidOf(t, one.pid))})
	}
}

// plain is a range of addresses without zeros before them.
func plain(addresses string) string {
	start, end, _ := strings.Cut(addresses, "-")
	return strings.TrimLeft(start, "0") + "-" + strings.TrimLeft(end, "0")
}

func uidOf(t *testing.T, pid int) uint32 {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Stat(fmt.Sprintf("/proc/%d", pid), &stat))
	return stat.Uid
}

// inodes returns every inode once, with a name or in use.
func (r *truth) inodes() (named, nameless map[uint64]unix.Stat_t) {
	named, nameless = map[uint64]unix.Stat_t{}, map[uint64]unix.Stat_t{}
	for _, stat := range r.named {
		named[stat.Ino] = stat
	}
	for _, one := range r.used {
		if one.stat.Nlink == 0 {
			nameless[one.inode] = one.stat
		}
	}
	for _, one := range r.mapped {
		if one.links == 0 {
			var stat unix.Stat_t
			if unix.Stat(fmt.Sprintf("/proc/%d/map_files/%s", one.pid, one.addresses), &stat) == nil {
				nameless[one.inode] = stat
			}
		}
	}
	return named, nameless
}

func (r *truth) compareUsers(t *testing.T) {
	t.Helper()
	type holding struct{ bytes, objects int64 }
	want := map[uint32]holding{}
	count := func(stat unix.Stat_t, objects int64) {
		held := want[stat.Uid]
		bytes := r.charge(&stat)
		if !r.strict && stat.Mode&unix.S_IFMT == unix.S_IFREG {
			bytes = stat.Blocks * 512
		}
		want[stat.Uid] = holding{held.bytes + bytes, held.objects + objects}
	}
	named, nameless := r.inodes()
	for _, stat := range named {
		count(stat, 1)
	}
	for _, stat := range nameless {
		count(stat, 0)
	}
	got := rig.Rows(t, text(t, r.mount, "users"))
	if len(got) != len(want) {
		t.Errorf("users has %d users, want %d", len(got), len(want))
	}
	for _, one := range got {
		uid, err := strconv.ParseUint(one["UID"], 10, 32)
		must(t, err)
		held := want[uint32(uid)]
		same(t, "user "+one["UID"], one, row{"BYTES": itoa(held.bytes), "OBJECTS": itoa(held.objects), "LIMIT": ""})
		if name := one["USER"]; name != one["UID"] && (uid != 0 || name != "root") {
			t.Errorf("user %d is called %q", uid, name)
		}
	}
	if !slices.IsSortedFunc(got, func(a, b row) int { return cmp.Compare(len(a["UID"]), len(b["UID"])) }) {
		t.Error("users is not sorted")
	}
}

// statsOfNow are the stats, of objects that were counted after the call. Of a directory store they may have been counted a little earlier.
func (r *truth) statsOfNow(t *testing.T) map[string][]string {
	t.Helper()
	for began := time.Now(); ; _, _ = unix.Poll(nil, 5) {
		is := values(t, text(t, r.mount, "stats"))
		ago, err := strconv.ParseFloat(is["count-age-seconds"][0], 64)
		must(t, err)
		if ago > 0 && !r.stored(t) {
			t.Errorf("stats: objects in memory were counted %v seconds ago", ago)
		}
		waited := time.Since(began)
		if ago < waited.Seconds()-0.001 || ago == 0 { // it is rounded
			return is
		}
		if waited > patience {
			t.Fatalf("stats: the objects were counted %v seconds ago", ago)
		}
	}
}

func (r *truth) compareStats(t *testing.T) {
	t.Helper()
	is := r.statsOfNow(t)
	var usage unix.Statfs_t
	must(t, unix.Statfs(r.mount, &usage))
	counts := map[string]int{}
	var resident int64
	named, nameless := r.inodes()
	charged := int64(0)
	for path, stat := range r.named {
		if kind := kindOf(path, &stat); kind == "directory" || kind == "semaphore" {
			counts[kind]++
		}
	}
	for _, stat := range named {
		charged += r.charge(&stat)
		if stat.Mode&unix.S_IFMT == unix.S_IFREG {
			counts["object"]++
			resident += stat.Blocks * 512
		}
	}
	for _, stat := range nameless {
		charged += r.charge(&stat)
	}
	used := int64(usage.Blocks-usage.Bfree) * usage.Bsize
	if !r.strict {
		charged = used
	}
	want := map[string]string{"objects": itoa(counts["object"]), "directories": itoa(counts["directory"]), "semaphores": itoa(counts["semaphore"]),
		"bytes-charged": itoa(charged), "bytes-resident": itoa(resident), "inodes-used": itoa(usage.Files - usage.Ffree),
		"inodes-limit": itoa(usage.Files), "event-readers": "0", "events-dropped": "0"}
	if r.stored(t) {
		delete(want, "bytes-resident") // what of a disk's file is in memory is the kernel's affair
		delete(want, "inodes-used")    // others use the disk, too
		if charged == used {
			delete(want, "bytes-charged") // under commit=lazy it is the disk's figure
		}
	} else {
		want["inodes-used"] = itoa(len(r.named) + len(nameless) + 1) // a tmpfs counts names, and the root
		if used != charged {
			t.Errorf("statfs counts %d bytes as used, and %d are charged", used, charged)
		}
	}
	want["handles"] = itoa(len(rig.Rows(t, text(t, r.mount, "handles")))) // compared by itself
	for key, value := range want {
		if got := is[key]; len(got) != 1 || got[0] != value {
			t.Errorf("stats: %s is %q, want %q", key, got, value)
		}
	}
}

func (r *truth) compareObject(t *testing.T, path string) {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Lstat(filepath.Join(r.mount, path), &stat)) // to read a semaphore has changed when it was accessed
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return
	}
	is := values(t, text(t, r.mount, "object/"+path))
	mappers := 0
	for _, one := range r.mapped {
		if one.inode == stat.Ino {
			mappers++
		}
	}
	want := map[string]string{"type": kindOf(path, &stat), "inode": itoa(stat.Ino), "size": itoa(stat.Size), "charged": itoa(r.charge(&stat)), "blocks": itoa(stat.Blocks),
		"mode": fmt.Sprintf("%04o", stat.Mode&0o7777), "uid": itoa(stat.Uid), "gid": itoa(stat.Gid), "links": itoa(stat.Nlink), "opens": r.opensSaid(stat.Ino, is["opens"][0]),
		"mappers": itoa(mappers), "modified": stamp(stat.Mtim), "changed": stamp(stat.Ctim), "accessed": stamp(stat.Atim)}
	if stat.Mode&unix.S_IFMT == unix.S_IFREG && !r.stored(t) {
		want["resident"] = itoa(stat.Blocks * 512)
	}
	for key, value := range want {
		if got := is[key]; len(got) != 1 || got[0] != value {
			t.Errorf("object/%s: %s is %q, want %q", path, key, got, value)
		}
	}
	if len(is["mapper"]) != mappers || itoa(len(is["open"])) != want["opens"] {
		t.Errorf("object/%s has %d mappers and %d that have it open, want %d and %s", path, len(is["mapper"]), len(is["open"]), mappers, want["opens"])
	}
	if pid := is["creator-pid"]; len(pid) != 1 || stat.Uid != 0 && uint32(ann) <= stat.Uid && pid[0] == "-" {
		t.Errorf("object/%s: creator-pid is %q", path, pid)
	}
}
