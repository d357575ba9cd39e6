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

func wantFigures(t *testing.T, ledger *Ledger, wantLimit, wantUsed int64) {
	t.Helper()
	if limit, used := ledger.Figures(); limit != wantLimit || used != wantUsed {
		t.Fatalf("limit is %d with %d charged, want %d with %d", limit, used, wantLimit, wantUsed)
	}
}

func TestLedgerChargesUpToItsLimit(t *testing.T) {
	ledger := NewLedger(100)
	wantNoError(t, "charging 60", ledger.Charge(60, 0))
	wantError(t, "charging 41", ledger.Charge(41, 0), unix.ENOSPC)
	wantFigures(t, ledger, 100, 60)
	wantNoError(t, "charging 40", ledger.Charge(40, 0))
	wantNoError(t, "charging nothing", ledger.Charge(0, 0))
	wantError(t, "charging 1", ledger.Charge(1, 0), unix.ENOSPC)
	wantError(t, "charging the most there is", ledger.Charge(math.MaxInt64, 0), unix.ENOSPC)
	ledger.Refund(100)
	wantFigures(t, ledger, 100, 0)
}

func TestLedgerWithoutLimit(t *testing.T) {
	ledger := NewLedger(0)
	wantNoError(t, "charging much", ledger.Charge(1<<60, 0))
	if got := ledger.ChargeUpTo(1 << 50); got != 1<<50 {
		t.Errorf("took %d", got)
	}
	wantFigures(t, ledger, 0, 1<<60+1<<50)
}

func TestLedgerStart(t *testing.T) {
	ledger := NewLedger(100)
	ledger.Start(150) // a directory may hold more than the limit that is set now
	wantError(t, "charging 1", ledger.Charge(1, 0), unix.ENOSPC)
	if got := ledger.ChargeUpTo(pageSize); got != 0 {
		t.Errorf("took %d", got)
	}
	wantFigures(t, ledger, 100, 150)
	ledger.Refund(60)
	wantNoError(t, "charging 10", ledger.Charge(10, 0))
}

func TestLedgerSetLimit(t *testing.T) {
	ledger := NewLedger(100)
	wantNoError(t, "charging 60", ledger.Charge(60, 0))
	wantError(t, "a limit of 59", ledger.SetLimit(59), unix.EINVAL)
	wantFigures(t, ledger, 100, 60)
	wantNoError(t, "a limit of 60", ledger.SetLimit(60))
	wantError(t, "charging 1", ledger.Charge(1, 0), unix.ENOSPC)
	wantNoError(t, "a limit of 70", ledger.SetLimit(70))
	wantNoError(t, "charging 10", ledger.Charge(10, 0))
	wantNoError(t, "no limit", ledger.SetLimit(0))
	wantNoError(t, "charging 1000", ledger.Charge(1000, 0))
	wantError(t, "a limit again", ledger.SetLimit(1000), unix.EINVAL)
	wantFigures(t, ledger, 0, 1070)
}

func TestLedgerChargeUpToTakesWholePages(t *testing.T) {
	cases := []struct{ limit, used, asked, want int64 }{
		{10 * pageSize, 0, 4 * pageSize, 4 * pageSize},
		{10 * pageSize, 8 * pageSize, 4 * pageSize, 2 * pageSize},
		{10*pageSize - 1, 8 * pageSize, 4 * pageSize, pageSize},
		{10 * pageSize, 8*pageSize + 1, 4 * pageSize, pageSize},
		{10 * pageSize, 10*pageSize - 1, pageSize, 0},
		{10 * pageSize, 10 * pageSize, pageSize, 0},
		{10 * pageSize, 11 * pageSize, pageSize, 0},
		{10 * pageSize, 0, 0, 0},
	}
	for _, c := range cases {
		ledger := NewLedger(c.limit)
		ledger.Start(c.used)
		if got := ledger.ChargeUpTo(c.asked); got != c.want {
			t.Errorf("limit %d, used %d, asked %d: took %d, want %d", c.limit, c.used, c.asked, got, c.want)
		}
		wantFigures(t, ledger, c.limit, c.used+c.want)
	}
}

func TestLedgerPatienceEndsAtARefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := NewLedger(100)
		wantNoError(t, "charging all", ledger.Charge(100, 0))
		start := time.Now()
		charged := make(chan error)
		go func() { charged <- ledger.Charge(50, time.Hour) }()
		synctest.Wait()
		ledger.Refund(20) // not enough: it must go on waiting
		synctest.Wait()
		select {
		case err := <-charged:
			t.Fatalf("charged too early: %v", err)
		default:
		}
		time.Sleep(time.Minute)
		ledger.Refund(30)
		wantNoError(t, "charging after the refund", <-charged)
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("waited for %v, want a minute", waited)
		}
		wantFigures(t, ledger, 100, 100)
	})
}

func TestLedgerPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := NewLedger(100)
		wantNoError(t, "charging all", ledger.Charge(100, 0))
		start := time.Now()
		wantError(t, "charging more", ledger.Charge(1, time.Minute), unix.ENOSPC)
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("waited for %v, want a minute", waited)
		}
		start = time.Now()
		wantError(t, "charging more at once", ledger.Charge(1, 0), unix.ENOSPC)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited for %v, want none", waited)
		}
		wantFigures(t, ledger, 100, 100)
	})
}

// One refund serves as many as it suffices for, not only the first.
func TestLedgerRefundWakesAllWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := NewLedger(100)
		wantNoError(t, "charging all", ledger.Charge(100, 0))
		errs := make(chan error, 5)
		for range cap(errs) {
			go func() { errs <- ledger.Charge(30, time.Hour) }()
		}
		synctest.Wait()
		ledger.Refund(100)
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
		wantFigures(t, ledger, 100, 90)
	})
}

// Whatever happens at once: the limit holds, and the sum is what was taken and not given back.
func TestLedgerConcurrently(t *testing.T) {
	const limit, workers, rounds = 64, 8, 2000
	ledger := NewLedger(limit * pageSize)
	var held [workers]int64
	var done sync.WaitGroup
	for worker := range workers {
		done.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for range rounds {
				bytes := random.Int64N(limit/2) * pageSize
				switch random.IntN(4) {
				case 0:
					if ledger.Charge(bytes, 0) == nil {
						held[worker] += bytes
					}
				case 1:
					held[worker] += ledger.ChargeUpTo(bytes)
				case 2:
					back := min(bytes, held[worker])
					ledger.Refund(back)
					held[worker] -= back
				case 3:
					if limit, used := ledger.Figures(); used > limit || used < 0 {
						t.Errorf("%d charged of %d", used, limit)
					}
				}
			}
		})
	}
	done.Wait()
	var sum int64
	for _, bytes := range held {
		sum += bytes
	}
	wantFigures(t, ledger, limit*pageSize, sum)
}

func TestPages(t *testing.T) {
	const largest = math.MaxInt64
	cases := map[int64]int64{
		0: 0, 1: pageSize, pageSize - 1: pageSize, pageSize: pageSize, pageSize + 1: 2 * pageSize,
		largest: largest / pageSize * pageSize, largest - pageSize: largest / pageSize * pageSize,
	}
	for size, want := range cases {
		if got := pages(size); got != want {
			t.Errorf("pages(%d) is %d, want %d", size, got, want)
		}
	}
}
