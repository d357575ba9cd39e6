package objects

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func wantFigures(t *testing.T, ledger *Ledger, wantLimit, wantUsed int64) {
	t.Helper()
	if limit, used := ledger.Figures(); limit != wantLimit || used != wantUsed {
		t.Fatalf("limit is %d with %d charged, want %d with %d", limit, used, wantLimit, wantUsed)
	}
}

func TestLedgerChargesUpToItsLimit(t *testing.T) {
	ledger := NewLedger(100 * pageSize)
	wantNoError(t, "charging 60 pages", ledger.Charge(60*pageSize))
	wantError(t, "charging 41", ledger.Charge(41*pageSize), unix.ENOSPC)
	wantFigures(t, ledger, 100*pageSize, 60*pageSize)
	wantNoError(t, "charging 40", ledger.Charge(40*pageSize))
	wantNoError(t, "charging nothing", ledger.Charge(0))
	wantError(t, "charging 1", ledger.Charge(pageSize), unix.ENOSPC)
	wantError(t, "charging the most there is", ledger.Charge(math.MaxInt64), unix.ENOSPC)
	ledger.Refund(100 * pageSize)
	wantFigures(t, ledger, 100*pageSize, 0)
}

// Limits are rounded up to whole pages, as tmpfs rounds its size.
func TestLedgerLimitsAreWholePages(t *testing.T) {
	for asked, want := range map[int64]int64{0: 0, 1: pageSize, pageSize: pageSize, pageSize + 1: 2 * pageSize} {
		wantFigures(t, NewLedger(asked), want, 0)
		ledger := NewLedger(100 * pageSize)
		wantNoError(t, "SetLimit", ledger.SetLimit(asked))
		wantFigures(t, ledger, want, 0)
	}
}

func TestLedgerWithoutLimit(t *testing.T) {
	ledger := NewLedger(0)
	wantNoError(t, "charging much", ledger.Charge(1<<60))
	if got := ledger.ChargeUpTo(1 << 50); got != 1<<50 {
		t.Errorf("took %d", got)
	}
	wantFigures(t, ledger, 0, 1<<60+1<<50)
}

func TestLedgerStart(t *testing.T) {
	ledger := NewLedger(10 * pageSize)
	ledger.Start(15 * pageSize) // a directory may hold more than the limit that is set now
	wantError(t, "charging 1", ledger.Charge(pageSize), unix.ENOSPC)
	if got := ledger.ChargeUpTo(pageSize); got != 0 {
		t.Errorf("took %d", got)
	}
	wantFigures(t, ledger, 10*pageSize, 15*pageSize)
	ledger.Refund(6 * pageSize)
	wantNoError(t, "charging 1", ledger.Charge(pageSize))
}

func TestLedgerSetLimit(t *testing.T) {
	ledger := NewLedger(10 * pageSize)
	wantNoError(t, "charging 6 pages", ledger.Charge(6*pageSize))
	wantError(t, "a limit of 5", ledger.SetLimit(5*pageSize), unix.EINVAL)
	wantFigures(t, ledger, 10*pageSize, 6*pageSize)
	wantNoError(t, "a limit of 6", ledger.SetLimit(6*pageSize))
	wantError(t, "charging 1", ledger.Charge(pageSize), unix.ENOSPC)
	wantNoError(t, "a limit of 7", ledger.SetLimit(7*pageSize))
	wantNoError(t, "charging 1", ledger.Charge(pageSize))
	wantNoError(t, "no limit", ledger.SetLimit(0))
	wantNoError(t, "charging 100", ledger.Charge(100*pageSize))
	wantError(t, "a limit again", ledger.SetLimit(100*pageSize), unix.EINVAL)
	wantFigures(t, ledger, 0, 107*pageSize)
}

func TestLedgerChargeUpToTakesWholePages(t *testing.T) {
	cases := []struct{ limit, used, asked, want int64 }{
		{10 * pageSize, 0, 4 * pageSize, 4 * pageSize},
		{10 * pageSize, 8 * pageSize, 4 * pageSize, 2 * pageSize},
		{10 * pageSize, 9 * pageSize, 4 * pageSize, pageSize},
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
					if ledger.Charge(bytes) == nil {
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

// However much is asked for, the sum remains a number: a limit that is set later must find it.
func TestLedgerDoesNotOverflow(t *testing.T) {
	const most = 1<<63 - 1
	for _, limit := range []int64{0, 10 * pageSize} {
		ledger := NewLedger(limit)
		ledger.Start(4 * pageSize)
		granted := int64(0)
		for range 3 {
			for _, bytes := range []int64{pages(most), 1 << 62, pageSize} {
				if err := ledger.Charge(bytes); err == nil {
					granted += bytes
				}
				granted += ledger.ChargeUpTo(bytes)
			}
		}
		_, used := ledger.Figures()
		if used < 0 || used != 4*pageSize+granted || granted <= 0 {
			t.Errorf("limit %d: %d bytes are charged, %d were granted", limit, used, granted)
		}
		wantError(t, "setting a limit below that", ledger.SetLimit(pageSize), unix.EINVAL)
	}
}
