package objects

import (
	"golang.org/x/sys/unix"
)

// AsEverybody, in a Quota of a single user, stands for what everybody has who has none of their own.
const AsEverybody = -1

// Quota is the most that one user may hold; 0 in a field is no limit. Root has none.
type Quota struct {
	Bytes   int64 // charged under commit=strict, rounded up to whole pages
	Objects int64 // inodes
}

// rounded returns the quota with whole pages.
func (q Quota) rounded() Quota {
	if q.Bytes > 0 {
		q.Bytes = pages(q.Bytes)
	}
	return q
}

// Holding is what is charged to one user.
type Holding struct {
	Bytes   int64 // 0 under commit=lazy
	Objects int64 // inodes, also those without a name that are still in use
}

func (h *Holding) add(other Holding) {
	h.Bytes += other.Bytes
	h.Objects += other.Objects
}

func (h *Holding) remove(other Holding) {
	h.Bytes -= other.Bytes
	h.Objects -= other.Objects
}

// User is what a user holds and may hold.
type User struct {
	UID   uint32
	Held  Holding
	Limit Quota // in force
	Own   Quota // AsEverybody where it has no limit of its own
}

// SetQuota gives everybody a limit who has none of their own. Nothing is taken from who holds more; what grows is refused.
func (t *Tree) SetQuota(everybodys Quota) { t.account.setQuota(everybodys) }

// SetQuotaOf gives one user limits of their own, or takes them away where a field is AsEverybody.
func (t *Tree) SetQuotaOf(uid uint32, own Quota) { t.account.setQuotaOf(uid, own) }

// User returns what a user holds and may hold.
func (t *Tree) User(uid uint32) User { return t.account.user(uid) }

// Users returns everybody who holds something or has limits of their own, by number.
func (t *Tree) Users() []User { return t.account.users() }

// UsageFor returns statfs(2) figures as a user sees them: what their own limit leaves them, and never more than there is.
func (t *Tree) UsageFor(uid uint32) (unix.Statfs_t, error) {
	figures, err := t.Usage()
	if err != nil {
		return figures, err
	}
	user := t.account.user(uid)
	if limit := user.Limit.Bytes; limit > 0 {
		left := uint64(max(0, limit-user.Held.Bytes) / figures.Bsize)
		figures.Bfree, figures.Bavail = within(left, figures.Bfree, figures.Blocks), within(left, figures.Bavail, figures.Blocks)
		figures.Blocks = within(uint64(limit/figures.Bsize), figures.Blocks, figures.Blocks)
	}
	if limit := user.Limit.Objects; limit > 0 {
		figures.Ffree = within(uint64(max(0, limit-user.Held.Objects)), figures.Ffree, figures.Files)
		figures.Files = within(uint64(limit), figures.Files, figures.Files)
	}
	return figures, nil
}

// within returns a user's figure, but no more than the mount's unless that has no limit.
func within(users, mounts, limit uint64) uint64 {
	if limit == 0 {
		return users
	}
	return min(users, mounts)
}
