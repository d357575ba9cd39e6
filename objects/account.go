package objects

import (
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// account keeps a book for each user of what they hold, and holds them to their limits and all together to the ledger's. Whatever is
// charged goes through it, in one step: of several who ask at the limit each gets all that it asks for or nothing.
//
// Its methods may be called concurrently.
type account struct {
	ledger *Ledger // nil under commit=lazy, when no bytes are charged; immutable

	mu         sync.Mutex
	everybodys Quota            // of who has none of their own; guarded by mu
	books      map[uint32]*book // of who holds something or has limits of their own; guarded by mu
	relieved   chan struct{}    // closed when something is given back or a limit moves, if somebody waits; guarded by mu
}

// claim is what is to be charged to a user.
type claim struct {
	uid uint32
	Holding
	exempt bool // no limit of the user's is in the way
	moved  bool // it is charged to somebody else, so that the ledger has it already
}

func newAccount(ledger *Ledger) *account {
	return &account{ledger: ledger, books: make(map[uint32]*book)}
}

// charge takes a claim whole or fails and takes nothing: with ENOSPC when the mount has no room, else with EDQUOT when the user may
// not hold that much. It waits up to patience for what makes it fit.
func (a *account) charge(c claim, patience time.Duration) error {
	var timeout <-chan time.Time
	for {
		relieved, err := a.tryCharge(c)
		if err == nil {
			return nil
		}
		if patience <= 0 {
			return fmt.Errorf("charging %d bytes and %d objects to user %d: %w", c.Bytes, c.Objects, c.uid, err)
		}
		if timeout == nil {
			timeout = time.After(patience)
		}
		select {
		case <-relieved:
		case <-timeout:
			patience = 0
		}
	}
}

func (a *account) tryCharge(c claim) (relieved <-chan struct{}, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err = a.take(c); err == nil {
		return nil, nil
	}
	return a.nextRelief(), err
}

// relief returns what is closed when something is given back next.
func (a *account) relief() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.nextRelief()
}

// nextRelief is relief. The caller holds mu.
func (a *account) nextRelief() <-chan struct{} {
	if a.relieved == nil {
		a.relieved = make(chan struct{})
	}
	return a.relieved
}

// take is charge without waiting. The caller holds mu.
func (a *account) take(c claim) error {
	if c.Holding == (Holding{}) {
		return nil
	}
	fresh := c.Bytes
	if a.ledger == nil || c.moved {
		fresh = 0
	}
	if !c.exempt && a.exceeded(c) {
		if fresh > 0 && !a.ledger.fits(fresh) {
			return unix.ENOSPC
		}
		return unix.EDQUOT
	}
	if fresh > 0 {
		if err := a.ledger.Charge(fresh); err != nil {
			return err
		}
	}
	a.open(c.uid).held.add(c.Holding)
	return nil
}

// exceeded says whether a claim goes beyond a limit of its user, in what it asks for. The caller holds mu.
func (a *account) exceeded(c claim) bool {
	limit, held := a.limit(c.uid), a.held(c.uid)
	return c.Bytes > 0 && limit.Bytes != 0 && c.Bytes > limit.Bytes-held.Bytes ||
		c.Objects > 0 && limit.Objects != 0 && c.Objects > limit.Objects-held.Objects
}

// chargeUpTo takes as much of the claim's bytes as there is room for, in whole pages, and returns how much that is.
func (a *account) chargeUpTo(c claim) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if limit := a.limit(c.uid).Bytes; limit != 0 && !c.exempt {
		c.Bytes = min(c.Bytes, max(0, limit-a.held(c.uid).Bytes)/pageSize*pageSize)
	}
	granted := a.ledger.ChargeUpTo(c.Bytes)
	if granted > 0 {
		a.open(c.uid).held.Bytes += granted
	}
	return granted
}

// oblige takes what is charged already, by a process that has died, whether or not there is room for it.
func (a *account) oblige(uid uint32, held Holding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ledger != nil {
		a.ledger.Oblige(held.Bytes)
	}
	a.open(uid).held.add(held)
}

// refund gives back what was charged to a user.
func (a *account) refund(uid uint32, back Holding) {
	if back == (Holding{}) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ledger != nil {
		a.ledger.Refund(back.Bytes)
	}
	a.giveBack(uid, back)
}

// moved ends the way of a charge from one user to another, who has been charged already.
func (a *account) moved(from uint32, what Holding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.giveBack(from, what)
}

// giveBack takes something out of a user's book. The caller holds mu.
func (a *account) giveBack(uid uint32, back Holding) {
	a.open(uid).held.remove(back)
	a.tidy(uid)
	a.relieve()
}

// relieve wakes who waits. The caller holds mu.
func (a *account) relieve() {
	if a.relieved != nil {
		close(a.relieved)
		a.relieved = nil
	}
}

// start sets what everybody holds, before anything else is charged.
func (a *account) start(held map[uint32]Holding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for uid := range a.books {
		a.books[uid].held = Holding{}
		a.tidy(uid)
	}
	var sum int64
	for uid, holding := range held {
		a.open(uid).held = holding
		sum += min(holding.Bytes, math.MaxInt64-sum)
	}
	if a.ledger != nil {
		a.ledger.Start(sum)
	}
}

func (a *account) setQuota(everybodys Quota) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.everybodys = everybodys.rounded()
	a.relieve()
}

func (a *account) setQuotaOf(uid uint32, own Quota) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open(uid).own = own.rounded()
	a.tidy(uid)
	a.relieve()
}
