package objects

import (
	"cmp"
	"slices"
)

// book is the account of one user.
type book struct {
	held Holding
	own  Quota // AsEverybody where there is none
}

// users returns everybody who has a book.
func (a *account) users() []User {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]User, 0, len(a.books))
	for uid := range a.books {
		all = append(all, a.look(uid))
	}
	slices.SortFunc(all, func(one, other User) int { return cmp.Compare(one.UID, other.UID) })
	return all
}

// user returns what there is to know of a user, who need not have a book.
func (a *account) user(uid uint32) User {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.look(uid)
}

// look is user. The caller holds mu.
func (a *account) look(uid uint32) User {
	return User{UID: uid, Held: a.held(uid), Limit: a.limit(uid), Own: a.own(uid)}
}

// open returns a user's book, an empty one if there is none yet. The caller holds mu.
func (a *account) open(uid uint32) *book {
	known := a.books[uid]
	if known == nil {
		known = &book{own: Quota{AsEverybody, AsEverybody}}
		a.books[uid] = known
	}
	return known
}

// tidy drops a book that says nothing. The caller holds mu.
func (a *account) tidy(uid uint32) {
	if known := a.books[uid]; known != nil && known.held == (Holding{}) && known.own == (Quota{AsEverybody, AsEverybody}) {
		delete(a.books, uid)
	}
}

// held returns what a user holds. The caller holds mu.
func (a *account) held(uid uint32) Holding {
	if known := a.books[uid]; known != nil {
		return known.held
	}
	return Holding{}
}

// own returns a user's own limits. The caller holds mu.
func (a *account) own(uid uint32) Quota {
	if known := a.books[uid]; known != nil {
		return known.own
	}
	return Quota{AsEverybody, AsEverybody}
}

// limit returns the limits in force for a user. The caller holds mu.
func (a *account) limit(uid uint32) Quota {
	if uid == 0 {
		return Quota{}
	}
	limit := a.own(uid)
	if limit.Bytes == AsEverybody {
		limit.Bytes = a.everybodys.Bytes
	}
	if limit.Objects == AsEverybody {
		limit.Objects = a.everybodys.Objects
	}
	return limit
}
