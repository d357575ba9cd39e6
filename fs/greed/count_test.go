package greed

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

const root = 0

func isRoot(uid uint32) bool { return uid == root }

func newCount(most int64) *Count {
	count := NewCount("open files", "limit-handles", unix.EMFILE, isRoot)
	count.SetLimit(most)
	return count
}

func TestCountRefusesWhatIsBeyondTheLimit(t *testing.T) {
	count := newCount(2)
	for range 2 {
		if err := count.Take(7); err != nil {
			t.Fatalf("Take: %v", err)
		}
	}
	err := count.Take(7)
	var exceeded *Exceeded
	if !errors.As(err, &exceeded) || !errors.Is(err, unix.EMFILE) {
		t.Fatalf("Take beyond the limit: %v", err)
	}
	if want := "user 7 has 2 open files, and limit-handles=2 allows no more: too many open files"; err.Error() != want {
		t.Errorf("the error says %q, want %q", err, want)
	}
	if err := count.Take(8); err != nil {
		t.Errorf("another user: %v", err)
	}
	for range 5 {
		if err := count.Take(root); err != nil {
			t.Errorf("who is exempt: %v", err)
		}
	}
	if held, total, refused := count.Held(7), count.Total(), count.Refused(); held != 2 || total != 8 || refused != 1 {
		t.Errorf("held %d, total %d, refused %d", held, total, refused)
	}
	count.Give(7)
	if err := count.Take(7); err != nil {
		t.Errorf("Take after Give: %v", err)
	}
}

func TestFixedLimitHasNoName(t *testing.T) {
	count := NewCount("threads", "", unix.EAGAIN, isRoot)
	count.SetLimit(1)
	if err := count.Take(7); err != nil {
		t.Fatal(err)
	}
	if err := count.Take(7); err == nil || err.Error() != "user 7 has 1 threads, as many as one user may: resource temporarily unavailable" {
		t.Errorf("the error says %q", err)
	}
}

// Who waits for room gets it when there is some, and is refused when the time is over.
func TestTakeSoon(t *testing.T) {
	count := newCount(1)
	if err := count.TakeSoon(7, time.Hour); err != nil {
		t.Fatalf("with room: %v", err)
	}
	if err := count.TakeSoon(7, time.Millisecond); !errors.Is(err, unix.EMFILE) {
		t.Errorf("without room: %v", err)
	}
	const waiters = 5
	taken := make(chan error, waiters)
	for range waiters {
		go func() { taken <- count.TakeSoon(7, time.Hour) }()
	}
	count.Add(8)
	count.Give(8) // another's is no room
	select {
	case err := <-taken:
		t.Fatalf("without room: %v", err)
	default:
	}
	for range waiters {
		count.Give(7)
		if err := <-taken; err != nil {
			t.Fatalf("TakeSoon: %v", err)
		}
	}
	if held, refused := count.Held(7), count.Refused(); held != 1 || refused != 1 {
		t.Errorf("%d are held, and %d were refused", held, refused)
	}
	count.Give(7)
	if len(count.given) > 0 {
		t.Errorf("%d users are waited for", len(count.given))
	}
}

func TestCountLimitChanges(t *testing.T) {
	count := newCount(0)
	for range 100 {
		if err := count.Take(7); err != nil {
			t.Fatalf("without a limit: %v", err)
		}
	}
	count.SetLimit(3) // what is there stays
	err := count.Take(7)
	if err == nil || !strings.Contains(err.Error(), "has 100 open files, and limit-handles=3") {
		t.Errorf("beyond a lower limit: %v", err)
	}
	count.Add(7) // of what is there already
	if held := count.Held(7); held != 101 {
		t.Errorf("held %d", held)
	}
	count.SetLimit(102)
	if err := count.Take(7); err != nil {
		t.Errorf("below a higher limit: %v", err)
	}
}

func TestGivingBackWhatNobodyHas(t *testing.T) {
	count := newCount(1)
	count.Give(7)
	if err := count.Take(7); err != nil || count.Take(7) == nil || count.Total() != 1 {
		t.Errorf("one may be had: %v, total %d", err, count.Total())
	}
}

// Whatever happens, a count agrees with a plain map.
func TestCountModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := int64(rapid.IntRange(0, 4).Draw(t, "limit"))
		count, model := newCount(limit), map[uint32]int64{}
		user := rapid.Uint32Range(0, 3)
		refused := uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				uid := user.Draw(t, "uid")
				may := limit == 0 || uid == root || model[uid] < limit
				if err := count.Take(uid); (err == nil) != may {
					t.Fatalf("user %d with %d of %d: %v", uid, model[uid], limit, err)
				}
				if may {
					model[uid]++
				} else {
					refused++
				}
			},
			"add": func(t *rapid.T) {
				uid := user.Draw(t, "uid")
				count.Add(uid)
				model[uid]++
			},
			"give": func(t *rapid.T) {
				if uid := user.Draw(t, "uid"); model[uid] > 0 {
					count.Give(uid)
					model[uid]--
				}
			},
			"limit": func(t *rapid.T) {
				limit = int64(rapid.IntRange(0, 4).Draw(t, "limit"))
				count.SetLimit(limit)
			},
			"": func(t *rapid.T) {
				total, all := int64(0), count.All()
				for uid, held := range model {
					total += held
					if count.Held(uid) != held || all[uid] != held {
						t.Fatalf("user %d has %d, in all %d, want %d", uid, count.Held(uid), all[uid], held)
					}
					if _, listed := all[uid]; listed && held == 0 {
						t.Fatalf("user %d, who has nothing, is remembered", uid)
					}
				}
				if count.Total() != total || count.Refused() != refused {
					t.Fatalf("total %d, refused %d, want %d and %d", count.Total(), count.Refused(), total, refused)
				}
			},
		})
	})
}

// Users who take and give at the same time never have more than they may, and are not refused while they have less.
func TestCountConcurrently(t *testing.T) {
	const most, each, rounds = 4, 4, 3000
	count := newCount(most)
	var held [3]atomic.Int64
	var users sync.WaitGroup
	for i := range held {
		uid := uint32(i + 1)
		for range each {
			users.Go(func() {
				for range rounds {
					if err := count.Take(uid); err != nil {
						t.Errorf("user %d, of whom %d take one each: %v", uid, each, err)
						return
					}
					if now := held[i].Add(1); now > most {
						t.Errorf("user %d has %d", uid, now)
					}
					held[i].Add(-1)
					count.Give(uid)
				}
			})
		}
	}
	users.Wait()
	if all := count.All(); len(all) > 0 || count.Total() != 0 {
		t.Errorf("left are %v, total %d", all, count.Total())
	}
}
