package objects

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// Users of the tests, by number.
const (
	ann uint32 = 3001 + iota
	ben
	cai
)

// inPages is a claim of so many pages and objects.
func inPages(uid uint32, pages, objects int64) claim {
	return claim{uid: uid, Holding: Holding{Bytes: pages * pageSize, Objects: objects}}
}

func wantHeld(t reporter, a *account, uid uint32, pages, objects int64) {
	t.Helper()
	want := Holding{Bytes: pages * pageSize, Objects: objects}
	if got := a.user(uid).Held; got != want {
		t.Fatalf("user %d holds %v, want %v", uid, got, want)
	}
}

func TestAccountHoldsEachToTheirLimits(t *testing.T) {
	ledger := NewLedger(100 * pageSize)
	a := newAccount(ledger)
	a.setQuota(Quota{Bytes: 10 * pageSize, Objects: 3})
	wantNoError(t, "10 pages", a.charge(inPages(ann, 10, 1), 0))
	wantError(t, "one more", a.charge(inPages(ann, 1, 0), 0), unix.EDQUOT)
	wantNoError(t, "an object", a.charge(inPages(ann, 0, 1), 0))
	wantError(t, "two more", a.charge(inPages(ann, 0, 2), 0), unix.EDQUOT)
	wantHeld(t, a, ann, 10, 2)
	wantNoError(t, "another's 10 pages", a.charge(inPages(ben, 10, 3), 0))
	wantError(t, "the most there is", a.charge(claim{uid: cai, Holding: Holding{Bytes: math.MaxInt64}}, 0), unix.ENOSPC)
	wantFigures(t, ledger, 100*pageSize, 20*pageSize)
	a.refund(ann, Holding{Bytes: 10 * pageSize, Objects: 2})
	wantHeld(t, a, ann, 0, 0)
	wantFigures(t, ledger, 100*pageSize, 10*pageSize)
	if users := a.users(); len(users) != 1 || users[0].UID != ben {
		t.Errorf("there are books of %v, want ben's alone", users)
	}
}

// What asks for nothing is never refused, nor is root, nor what is exempt.
func TestAccountExemptions(t *testing.T) {
	a := newAccount(NewLedger(100 * pageSize))
	a.setQuota(Quota{Bytes: pageSize, Objects: 1})
	a.setQuotaOf(0, Quota{Bytes: pageSize, Objects: 1})
	wantNoError(t, "root's", a.charge(inPages(0, 50, 9), 0))
	exempt := inPages(ann, 20, 7)
	exempt.exempt = true
	wantNoError(t, "an exempt claim", a.charge(exempt, 0))
	wantHeld(t, a, ann, 20, 7)
	wantNoError(t, "a claim of nothing", a.charge(inPages(ann, 0, 0), 0))
	wantError(t, "a page", a.charge(inPages(ann, 1, 0), 0), unix.EDQUOT)
	exempt.Holding = Holding{Bytes: 31 * pageSize}
	wantError(t, "what no mount has", a.charge(exempt, 0), unix.ENOSPC)
	if limit := a.user(0).Limit; limit != (Quota{}) {
		t.Errorf("root's limit is %v", limit)
	}
}

// The error is ENOSPC whenever the mount has no room either, as tmpfs has it.
func TestAccountOrderOfErrors(t *testing.T) {
	a := newAccount(NewLedger(5 * pageSize))
	a.setQuota(Quota{Bytes: 3 * pageSize, Objects: 1})
	for pages, want := range map[int64]error{4: unix.EDQUOT, 5: unix.EDQUOT, 6: unix.ENOSPC} {
		wantError(t, "charging", a.charge(inPages(ann, pages, 0), 0), want)
	}
	wantError(t, "two objects and more bytes than there are", a.charge(inPages(ann, 6, 2), 0), unix.ENOSPC)
	wantNoError(t, "3 pages of another's", a.charge(inPages(ben, 3, 0), 0))
	wantError(t, "3 pages", a.charge(inPages(ann, 3, 0), 0), unix.ENOSPC)
	wantNoError(t, "2 pages", a.charge(inPages(ann, 2, 0), 0))
}

// A charge that moves needs no room in the mount.
func TestAccountMoves(t *testing.T) {
	ledger := NewLedger(5 * pageSize)
	a := newAccount(ledger)
	a.setQuotaOf(ben, Quota{Bytes: 4 * pageSize, Objects: AsEverybody})
	wantNoError(t, "5 pages", a.charge(inPages(ann, 5, 1), 0))
	moving := inPages(ben, 5, 1)
	moving.moved = true
	wantError(t, "moving 5 pages", a.charge(moving, 0), unix.EDQUOT)
	wantHeld(t, a, ann, 5, 1)
	moving.uid = cai
	wantNoError(t, "moving them elsewhere", a.charge(moving, 0))
	a.moved(ann, moving.Holding)
	wantHeld(t, a, ann, 0, 0)
	wantHeld(t, a, cai, 5, 1)
	wantFigures(t, ledger, 5*pageSize, 5*pageSize)
}

func TestAccountChargesUpTo(t *testing.T) {
	cases := []struct{ mounts, users, asked, want int64 }{
		{10, 4, 6, 4}, {4, 10, 6, 4}, {10, 10, 6, 6}, {10, 0, 6, 6}, {10, 2, 6, 2}, {10, 1, 0, 0},
	}
	for _, c := range cases {
		ledger := NewLedger(c.mounts * pageSize)
		a := newAccount(ledger)
		a.setQuota(Quota{Bytes: c.users * pageSize})
		if got := a.chargeUpTo(inPages(ann, c.asked, 0)); got != c.want*pageSize {
			t.Errorf("%d pages of %d, %d may be held: took %d bytes, want %d pages", c.asked, c.mounts, c.users, got, c.want)
		}
		wantHeld(t, a, ann, c.want, 0)
		wantFigures(t, ledger, c.mounts*pageSize, c.want*pageSize)
	}
}

func TestAccountLimits(t *testing.T) {
	a := newAccount(nil)
	a.setQuota(Quota{Bytes: 1, Objects: 7})
	a.setQuotaOf(ann, Quota{Bytes: AsEverybody, Objects: 0})
	a.setQuotaOf(ben, Quota{Bytes: 2*pageSize + 1, Objects: AsEverybody})
	for uid, want := range map[uint32]Quota{ann: {pageSize, 0}, ben: {3 * pageSize, 7}, cai: {pageSize, 7}, 0: {}} {
		if got := a.user(uid).Limit; got != want {
			t.Errorf("user %d is limited to %v, want %v", uid, got, want)
		}
	}
	// A limit below what is held takes nothing, and refuses what grows in that alone.
	wantNoError(t, "10 objects", a.charge(inPages(ann, 0, 10), 0))
	a.setQuotaOf(ann, Quota{Bytes: AsEverybody, Objects: 5})
	wantError(t, "one more", a.charge(inPages(ann, 0, 1), 0), unix.EDQUOT)
	a.refund(ann, Holding{Objects: 5})
	wantError(t, "one more at the limit", a.charge(inPages(ann, 0, 1), 0), unix.EDQUOT)
	a.refund(ann, Holding{Objects: 1})
	wantNoError(t, "one more", a.charge(inPages(ann, 0, 1), 0))
	a.setQuotaOf(ben, Quota{AsEverybody, AsEverybody})
	if users := a.users(); len(users) != 1 || users[0] != (User{ann, Holding{Objects: 5}, Quota{pageSize, 5}, Quota{AsEverybody, 5}}) {
		t.Errorf("there are books of %v, want ann's alone", users)
	}
}

// refusedAndRelieved charges what is refused, for as long as it may take, and has it relieved after a minute.
func refusedAndRelieved(t *testing.T, a *account, c claim, relieve func()) {
	t.Helper()
	start := time.Now()
	charged := make(chan error)
	go func() { charged <- a.charge(c, time.Hour) }()
	synctest.Wait()
	a.refund(ben, Holding{Bytes: pageSize}) // not enough: it must go on waiting
	synctest.Wait()
	select {
	case err := <-charged:
		t.Fatalf("charged too early: %v", err)
	default:
	}
	time.Sleep(time.Minute)
	relieve()
	wantNoError(t, "charging once it fits", <-charged)
	if waited := time.Since(start); waited != time.Minute {
		t.Errorf("waited for %v, want a minute", waited)
	}
}

func TestAccountPatienceEndsWhenItFits(t *testing.T) {
	for name, relieve := range map[string]func(a *account){
		"refund":           func(a *account) { a.refund(ann, Holding{Bytes: 5 * pageSize}) },
		"charge moves":     func(a *account) { a.moved(ann, Holding{Bytes: 5 * pageSize}) },
		"own limit":        func(a *account) { a.setQuotaOf(ann, Quota{Bytes: 15 * pageSize}) },
		"everybody's":      func(a *account) { a.setQuota(Quota{}) },
		"the mount's room": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ledger := NewLedger(100 * pageSize)
				a := newAccount(ledger)
				wantNoError(t, "charging another's", a.charge(inPages(ben, 8, 0), 0))
				wantNoError(t, "charging 10", a.charge(inPages(ann, 10, 0), 0))
				if relieve == nil {
					wantNoError(t, "SetLimit", ledger.SetLimit(20*pageSize))
					refusedAndRelieved(t, a, inPages(ann, 5, 0), func() { a.refund(ben, Holding{Bytes: 2 * pageSize}) })
					wantHeld(t, a, ann, 15, 0)
					return
				}
				a.setQuota(Quota{Bytes: 12 * pageSize})
				refusedAndRelieved(t, a, inPages(ann, 5, 0), func() { relieve(a) })
			})
		})
	}
}

func TestAccountPatienceEnds(t *testing.T) {
	for name, want := range map[string]error{"quota": unix.EDQUOT, "mount": unix.ENOSPC} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAccount(NewLedger(10 * pageSize))
				if name == "quota" {
					a.setQuota(Quota{Bytes: 5 * pageSize})
				}
				for _, patience := range []time.Duration{time.Minute, 0} {
					start := time.Now()
					wantNoError(t, "charging 5", a.charge(inPages(ann, 5, 0), 0))
					asked := map[string]int64{"quota": 1, "mount": 6}[name]
					wantError(t, "charging more", a.charge(inPages(ann, asked, 0), patience), want)
					if waited := time.Since(start); waited != patience {
						t.Errorf("waited for %v, want %v", waited, patience)
					}
					a.refund(ann, Holding{Bytes: 5 * pageSize})
				}
			})
		})
	}
}

// One refund serves as many as it suffices for, not only the first.
func TestAccountRefundServesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := NewLedger(10 * pageSize)
		a := newAccount(ledger)
		wantNoError(t, "charging all", a.charge(inPages(ann, 10, 0), 0))
		errs := make(chan error, 5)
		for range cap(errs) {
			go func() { errs <- a.charge(inPages(ben, 3, 0), time.Hour) }()
		}
		synctest.Wait()
		a.refund(ann, Holding{Bytes: 10 * pageSize})
		synctest.Wait()
		if served := len(errs); served != 3 {
			t.Errorf("%d were served, want 3", served)
		}
		for range 3 {
			wantNoError(t, "charging", <-errs)
		}
		for range 2 {
			wantError(t, "charging", <-errs, unix.ENOSPC)
		}
		wantFigures(t, ledger, 10*pageSize, 9*pageSize)
	})
}

// What is refused was never taken, not for a moment: what fits is not refused because of it.
func TestAccountRefusalsAreNobodysTrouble(t *testing.T) {
	a := newAccount(NewLedger(10 * pageSize))
	a.setQuotaOf(ann, Quota{Bytes: 5 * pageSize, Objects: 1})
	var others sync.WaitGroup
	stop := make(chan struct{})
	for _, beyond := range []claim{inPages(ann, 6, 0), inPages(ann, 0, 2), inPages(ann, 5, 2), inPages(ben, 11, 0)} {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if a.charge(beyond, 0) == nil {
					t.Errorf("%v was charged", beyond)
					return
				}
			}
		})
	}
	for range 20000 {
		wantNoError(t, "all of the mount", a.charge(inPages(ben, 10, 0), 0))
		a.refund(ben, Holding{Bytes: 10 * pageSize})
		wantNoError(t, "all that ann may hold", a.charge(inPages(ann, 5, 1), 0))
		a.refund(ann, Holding{Bytes: 5 * pageSize, Objects: 1})
	}
	close(stop)
	others.Wait()
}

// Whatever happens at once: every limit holds, and the sums are what was taken and not given back.
func TestAccountConcurrently(t *testing.T) {
	const limit, workers, rounds = 64, 9, 3000
	users := []uint32{ann, ben, cai}
	ledger := NewLedger(2 * limit * pageSize) // less than what all may hold together
	a := newAccount(ledger)
	a.setQuota(Quota{Bytes: limit * pageSize, Objects: limit})
	var held [workers]Holding
	var done sync.WaitGroup
	for worker := range workers {
		uid := users[worker%len(users)]
		done.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			mine := &held[worker]
			for range rounds {
				asked := inPages(uid, random.Int64N(limit/4), random.Int64N(3))
				switch random.IntN(4) {
				case 0:
					if a.charge(asked, 0) == nil {
						mine.add(asked.Holding)
					}
				case 1:
					mine.Bytes += a.chargeUpTo(asked)
				case 2:
					back := Holding{min(asked.Bytes, mine.Bytes), min(asked.Objects, mine.Objects)}
					a.refund(uid, back)
					mine.remove(back)
				case 3:
					if user := a.user(uid); user.Held.Bytes > limit*pageSize || user.Held.Objects > limit || user.Held.Bytes < 0 {
						t.Errorf("user %d holds %v", uid, user.Held)
					}
				}
			}
		})
	}
	done.Wait()
	sums := map[uint32]Holding{}
	var all int64
	for worker := range workers {
		sum := sums[users[worker%len(users)]]
		sum.add(held[worker])
		sums[users[worker%len(users)]] = sum
		all += held[worker].Bytes
	}
	for uid, want := range sums {
		if got := a.user(uid).Held; got != want {
			t.Errorf("user %d holds %v, want %v", uid, got, want)
		}
	}
	wantFigures(t, ledger, 2*limit*pageSize, all)
}
