package objects

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// inodeModel is what is known of an inode and of who is charged for it.
type inodeModel struct {
	id       uint64
	owner    uint32
	names    []string // none: nameless
	kind     uint32   // of its mode
	size     int64    // of a regular file, bytes
	taken    int64    // by itself, bytes: a symbolic link's
	reserved int64    // end of what was reserved behind the file's end, bytes
	referred bool     // somebody holds a reference
}

func (i *inodeModel) charge() int64 {
	if i.kind != unix.S_IFREG {
		return i.taken
	}
	return max(roundToPages(i.size), i.reserved)
}

// quotaModel is who must hold how much in a tree after the same calls.
type quotaModel struct {
	world      *world
	mount      int64 // limit of the mount, bytes; negative under commit=lazy
	everybodys Quota
	own        map[uint32]Quota
	inodes     []*inodeModel
}

var (
	quotaUsers = []uint32{0, ann, ben}
	quotaNames = []string{"a", "b", "c", "d", "e"}
)

func (m *quotaModel) strict() bool { return m.mount >= 0 }

func (m *quotaModel) held(uid uint32) (held Holding) {
	for _, inode := range m.inodes {
		if inode.owner != uid {
			continue
		}
		held.Objects++
		if m.strict() {
			held.Bytes += inode.charge()
		}
	}
	return held
}

func (m *quotaModel) limit(uid uint32) Quota {
	if uid == 0 {
		return Quota{}
	}
	limit, has := m.own[uid]
	if !has || limit.Bytes == AsEverybody {
		limit.Bytes = m.everybodys.Bytes
	}
	if !has || limit.Objects == AsEverybody {
		limit.Objects = m.everybodys.Objects
	}
	return limit
}

// refusal is the error for a user who asks for more, nil if there is room for it. What moves is in the mount already.
func (m *quotaModel) refusal(uid uint32, more Holding, exempt, moves bool) error {
	if !m.strict() {
		more.Bytes = 0
	}
	if !moves && more.Bytes > 0 && m.room() < more.Bytes {
		return unix.ENOSPC
	}
	limit, held := m.limit(uid), m.held(uid)
	beyond := more.Bytes > 0 && limit.Bytes > 0 && held.Bytes+more.Bytes > limit.Bytes ||
		more.Objects > 0 && limit.Objects > 0 && held.Objects+more.Objects > limit.Objects
	if beyond && !exempt {
		return unix.EDQUOT
	}
	return nil
}

// room is what the mount has left, bytes.
func (m *quotaModel) room() int64 {
	room := m.mount
	for _, inode := range m.inodes {
		room -= inode.charge()
	}
	return room
}

func (m *quotaModel) named(name string) *inodeModel {
	for _, inode := range m.inodes {
		if slices.Contains(inode.names, name) {
			return inode
		}
	}
	return nil
}

// drop forgets what nobody can get at any more.
func (m *quotaModel) drop() {
	m.inodes = slices.DeleteFunc(m.inodes, func(inode *inodeModel) bool { return len(inode.names) == 0 && !inode.referred })
}

// draw draws one of the inodes that somebody refers to and that fulfil a condition, or nil if there is none.
func (m *quotaModel) draw(t *rapid.T, condition func(*inodeModel) bool) *inodeModel {
	var some []*inodeModel
	for _, inode := range m.inodes {
		if inode.referred && condition(inode) {
			some = append(some, inode)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[rapid.IntRange(0, len(some)-1).Draw(t, "inode")]
}

func isFile(inode *inodeModel) bool { return inode.kind == unix.S_IFREG }

func anything(*inodeModel) bool { return true }

func drawUser(t *rapid.T) uint32 { return rapid.SampledFrom(quotaUsers).Draw(t, "user") }

func drawName(t *rapid.T) string { return rapid.SampledFrom(quotaNames).Draw(t, "name") }

// wantOutcome checks an error, or that there is none.
func wantOutcome(t *rapid.T, doing string, err, want error) (done bool) {
	t.Helper()
	if want == nil {
		wantNoError(t, doing, err)
		return true
	}
	wantError(t, doing, err, want)
	return false
}

// Make makes something of any kind under a name.
func (m *quotaModel) Make(t *rapid.T) {
	name, user := drawName(t), drawUser(t)
	caller, tree := Caller{UID: user, GID: user}, m.world.tree
	inode := &inodeModel{owner: user, names: []string{name}, referred: true}
	var more Holding
	var entry Entry
	var err error
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		inode.kind = unix.S_IFREG
		entry, err = createFile(tree, RootID, name, 0o600, caller)
	case 1:
		inode.kind = unix.S_IFDIR
		entry, err = tree.Mkdir(RootID, name, 0o700, caller)
	case 2:
		inode.kind = unix.S_IFIFO
		entry, err = tree.Mknod(RootID, name, unix.S_IFIFO|0o600, 0, caller)
	case 3:
		inode.kind = unix.S_IFLNK
		entry, err = tree.Symlink(RootID, name, "short", caller)
	case 4:
		inode.kind, more.Bytes = unix.S_IFLNK, pageSize
		entry, err = tree.Symlink(RootID, name, strings.Repeat("x", 1000), caller)
		if err == nil && entry.Stat.Blocks > 0 {
			inode.taken = pageSize
		}
	}
	more.Objects = 1
	want := m.refusal(user, more, false, false)
	if m.named(name) != nil {
		want = unix.EEXIST
	}
	if wantOutcome(t, "making "+name, err, want) {
		inode.id = entry.ID
		m.inodes = append(m.inodes, inode)
	}
}

func (m *quotaModel) Tmpfile(t *rapid.T) {
	user := drawUser(t)
	entry, err := createTmpfile(m.world.tree, RootID, 0o600, Caller{UID: user, GID: user})
	if wantOutcome(t, "making a file without a name", err, m.refusal(user, Holding{Objects: 1}, false, false)) {
		m.inodes = append(m.inodes, &inodeModel{id: entry.ID, owner: user, kind: unix.S_IFREG, referred: true})
	}
}

// Link gives an inode one more name, or one that was made without.
func (m *quotaModel) Link(t *rapid.T) {
	inode := m.draw(t, isFile)
	if inode == nil {
		return
	}
	name := drawName(t)
	_, err := m.world.tree.Link(inode.id, RootID, name)
	switch {
	case m.named(name) != nil:
		wantError(t, "linking", err, unix.EEXIST)
	case err == nil:
		inode.names = append(inode.names, name)
		m.world.tree.Forget(inode.id, 1) // the model has one reference at most
	case len(inode.names) > 0 || !errors.Is(err, unix.ENOENT): // what was unlinked gets no name again
		t.Fatalf("linking: %v", err)
	}
}

func (m *quotaModel) Remove(t *rapid.T) {
	name := drawName(t)
	inode := m.named(name)
	if inode == nil {
		wantError(t, "removing", m.world.tree.Unlink(RootID, name), unix.ENOENT)
		return
	}
	if inode.kind == unix.S_IFDIR {
		wantNoError(t, "removing a directory", m.world.tree.Rmdir(RootID, name))
	} else {
		wantNoError(t, "removing", m.world.tree.Unlink(RootID, name))
	}
	m.unname(inode, name)
}

func (m *quotaModel) unname(inode *inodeModel, name string) {
	inode.names = slices.DeleteFunc(inode.names, func(one string) bool { return one == name })
	m.drop()
}

// Rename moves a name over another, and may leave a whiteout.
func (m *quotaModel) Rename(t *rapid.T) {
	from, to, user := drawName(t), drawName(t), drawUser(t)
	moved, victim := m.named(from), m.named(to)
	if moved == nil || moved.kind == unix.S_IFDIR || victim != nil && victim.kind == unix.S_IFDIR {
		return
	}
	flags := rapid.SampledFrom([]uint{0, unix.RENAME_WHITEOUT}).Draw(t, "flags")
	var want error
	if flags != 0 {
		want = m.refusal(user, Holding{Objects: 1}, false, false)
	}
	err := m.world.tree.Rename(RootID, from, RootID, to, flags, Caller{UID: user, GID: user})
	if !wantOutcome(t, "renaming", err, want) || moved == victim {
		return
	}
	if victim != nil {
		m.unname(victim, to)
	}
	m.unname(moved, from)
	moved.names = append(moved.names, to)
	if !slices.Contains(m.inodes, moved) { // it had that name alone and nobody refers to it
		m.inodes = append(m.inodes, moved)
	}
	if flags != 0 {
		m.inodes = append(m.inodes, &inodeModel{owner: user, names: []string{from}, kind: unix.S_IFCHR})
	}
}

func (m *quotaModel) Lookup(t *rapid.T) {
	name := drawName(t)
	inode := m.named(name)
	if inode == nil {
		return
	}
	inode.id = m.world.lookup(t, name).ID
	if inode.referred {
		m.world.tree.Forget(inode.id, 1)
	}
	inode.referred = true
}

func (m *quotaModel) Forget(t *rapid.T) {
	if inode := m.draw(t, anything); inode != nil {
		m.world.tree.Forget(inode.id, 1)
		inode.referred = false
		m.drop()
	}
}

func (m *quotaModel) Chown(t *rapid.T) {
	inode := m.draw(t, anything)
	if inode == nil {
		return
	}
	to, exempt := drawUser(t), rapid.Bool().Draw(t, "exempt")
	var want error
	if to != inode.owner {
		want = m.refusal(to, Holding{Bytes: inode.charge(), Objects: 1}, exempt, true)
	}
	_, err := m.world.tree.Change(inode.id, Change{UID: &to, Exempt: exempt})
	if wantOutcome(t, "giving away", err, want) {
		inode.owner = to
	}
	if stat := m.world.stat(t, inode.id); stat.Uid != inode.owner {
		t.Fatalf("it belongs to %d, want %d", stat.Uid, inode.owner)
	}
}

// grow checks the outcome of a call that makes a file reach to end, bytes.
func (m *quotaModel) grow(t *rapid.T, doing string, inode *inodeModel, end int64, exempt bool, err error) (done bool) {
	t.Helper()
	return wantOutcome(t, doing, err, m.refusal(inode.owner, Holding{Bytes: max(0, roundToPages(end)-inode.charge())}, exempt, false))
}

func (m *quotaModel) Resize(t *rapid.T) {
	inode := m.draw(t, isFile)
	if inode == nil {
		return
	}
	size, exempt := drawOffset(t, "size"), rapid.Bool().Draw(t, "exempt")
	_, err := m.world.tree.Change(inode.id, Change{Size: &size, Exempt: exempt})
	if !m.grow(t, "resizing", inode, size, exempt, err) {
		return
	}
	if size <= inode.size {
		inode.reserved = 0
	}
	inode.size = size
}

func (m *quotaModel) Allocate(t *rapid.T) {
	inode := m.draw(t, isFile)
	if inode == nil {
		return
	}
	object := m.world.openObject(t, inode.id)
	defer object.Close()
	exempt := rapid.Bool().Draw(t, "exempt")
	if exempt {
		object = object.Exempt()
	}
	mode := rapid.SampledFrom([]uint32{0, unix.FALLOC_FL_KEEP_SIZE}).Draw(t, "mode")
	offset, length := drawOffset(t, "offset"), 1+drawOffset(t, "length")
	err := object.Allocate(mode, offset, length)
	if !m.grow(t, "allocating", inode, offset+length, exempt, err) {
		return
	}
	if mode == 0 {
		inode.size = max(inode.size, offset+length)
	} else if m.strict() {
		inode.reserved = max(inode.reserved, roundToPages(offset+length))
	}
}

func (m *quotaModel) Write(t *rapid.T) {
	inode := m.draw(t, isFile)
	if inode == nil {
		return
	}
	object := m.world.openObject(t, inode.id)
	defer object.Close()
	offset, length := drawOffset(t, "offset"), 1+drawOffset(t, "length")
	n, err := object.WriteAt(make([]byte, length), offset)
	fits, want := length, error(nil)
	if m.strict() && offset+length > inode.size {
		// To where the file may reach: for the mount, and for its owner.
		reach := inode.charge() + m.room()
		if limit := m.limit(inode.owner).Bytes; limit > 0 {
			reach = min(reach, inode.charge()+max(0, limit-m.held(inode.owner).Bytes))
		}
		if fits = max(0, min(offset+length, reach)-offset); fits == 0 {
			want = m.refusal(inode.owner, Holding{Bytes: roundToPages(offset+length) - inode.charge()}, false, false)
		}
	}
	if !wantOutcome(t, "writing", err, want) {
		return
	}
	if int64(n) != fits {
		t.Fatalf("wrote %d bytes of %d at %d, want %d", n, length, offset, fits)
	}
	inode.size = max(inode.size, offset+fits)
}

func drawQuota(t *rapid.T) Quota {
	bytes := rapid.Int64Range(AsEverybody, modelLimit).Draw(t, "pages")
	return Quota{max(bytes*pageSize, AsEverybody), rapid.Int64Range(AsEverybody, 6).Draw(t, "objects")}
}

func (m *quotaModel) SetQuota(t *rapid.T) {
	quota := drawQuota(t)
	m.everybodys = Quota{max(0, quota.Bytes), max(0, quota.Objects)}
	m.world.tree.SetQuota(m.everybodys)
}

func (m *quotaModel) SetQuotaOf(t *rapid.T) {
	uid, quota := rapid.SampledFrom([]uint32{ann, ben}).Draw(t, "user"), drawQuota(t)
	m.world.tree.SetQuotaOf(uid, quota)
	m.own[uid] = quota
}

// Check compares who holds what with the model, and with a count of what is there.
func (m *quotaModel) Check(t *rapid.T) {
	m.world.wantCounted(t)
	books := map[uint32]User{}
	for _, user := range m.world.tree.Users() {
		books[user.UID] = user
	}
	for _, uid := range quotaUsers {
		if got, want := books[uid].Held, m.held(uid); got != want {
			t.Fatalf("user %d holds %v, want %v", uid, got, want)
		}
	}
}

func TestQuotasAgainstTheirModel(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(storeKinds)) {
		for commit, mount := range map[string]int64{"strict": 2 * modelLimit * pageSize, "lazy": -1} {
			t.Run(name+" "+commit, func(t *testing.T) {
				directory := t.TempDir()
				rapid.Check(t, func(t *rapid.T) {
					rapid.SyncTest(t, func(t *rapid.T) {
						w := newWorld(t, storeKinds[name], directory, mount)
						m := &quotaModel{world: w, mount: mount, own: map[uint32]Quota{}}
						defer m.abandon(t)
						t.Repeat(rapid.StateMachineActions(m))
						m.end(t)
					})
				})
			})
		}
	}
}

// end gives back all references and names, and checks that nobody holds anything.
func (m *quotaModel) end(t *rapid.T) {
	for _, inode := range m.inodes {
		if inode.referred {
			m.world.tree.Forget(inode.id, 1)
		}
	}
	if m.world.kind.directory {
		m.world.reopen(t)
		m.world.wantCounted(t)
	}
	m.world.removeAll(t)
	m.world.wantEmpty(t)
	for _, user := range m.world.tree.Users() {
		if user.Held != (Holding{}) {
			t.Errorf("user %d holds %v", user.UID, user.Held)
		}
	}
	m.world.close(t)
}

// abandon leaves nothing to the next run, should this one have ended early.
func (m *quotaModel) abandon(t *rapid.T) {
	if m.world.tree != nil {
		wantNoError(t, "closing the tree", m.world.tree.Close())
		emptyDirectory(t, m.world.path)
	}
}
