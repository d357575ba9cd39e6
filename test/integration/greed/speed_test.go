package greed

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// bar is what a modest user's calls may take, at the median, while another user is at a limit: so many times as long as else, and something
// more, since the floods take all the processors that there are. On a machine that does other work besides only what hangs is told.
func bar(alone time.Duration) time.Duration {
	if os.Getenv("SHMFS_STRICT") == "1" {
		return 10*alone + 20*time.Millisecond
	}
	return 25*alone + 250*time.Millisecond
}

// requireFast compares what a modest user's calls take while another does nothing with what they take while that one is at a limit, by turns. busy
// begins what the other does, and idle ends it.
func requireFast(t *testing.T, m *mounted, what string, busy, idle func()) {
	t.Helper()
	rounds, probes := 5, 15
	if raced(t) {
		rounds, probes = 1, 5
	}
	prober := act(t, modest, "prober", m.path)
	measure := func() time.Duration {
		median, err := strconv.ParseInt(prober.do("probe %d", probes), 10, 64)
		must(t, err)
		return time.Duration(median)
	}
	var alone, beside []time.Duration
	for range rounds {
		alone = append(alone, measure())
		busy()
		beside = append(beside, measure())
		idle()
	}
	slices.Sort(alone)
	slices.Sort(beside)
	before, now := alone[rounds/2], beside[rounds/2]
	t.Logf("%s: a modest user's calls take %v, else %v", what, now.Round(time.Microsecond), before.Round(time.Microsecond))
	if now > bar(before) && !raced(t) {
		t.Errorf("%s: a modest user's calls take %v instead of %v", what, beside, alone)
	}
}

// A user who is at a limit, and goes on asking for more, slows nobody down.
func TestOthersAreFastBesideOneWhoIsRefused(t *testing.T) {
	for _, c := range []struct {
		limits, flood, refusals string
		places                  []place
		hold                    func(m *mounted, holder *actor)
	}{
		{"limit-handles=100", "refused-open", "refused-handles", places, func(m *mounted, holder *actor) {
			holder.wantOpens("100 EMFILE", m.path+"/shared", both, 200)
		}},
		{"limit-waiters=10", "refused-wait", "refused-waiters", []place{passthrough}, func(m *mounted, holder *actor) {
			holder.wantOpens("10", m.semaphore("held", 0), both, 10)
			holder.want("begun", "wait write 10")
			m.await(greedy, "WAITERS", 10)
		}},
		{"limit-readers=10", "refused-text", "refused-readers", places, func(m *mounted, holder *actor) {
			holder.wantOpens("10 EMFILE", m.path+"/.shmfs/objects", reading, 20)
		}},
	} {
		t.Run(c.limits, func(t *testing.T) {
			inEach(t, c.places, c.limits, func(t *testing.T, m *mounted) {
				c.hold(m, act(t, greedy, "holder", m.path))
				before := number(m.stat(c.refusals))
				var asker *actor
				requireFast(t, m, "beside "+c.flood, func() {
					asker = act(t, greedy, "flood", m.path)
					asker.do("begin %s 15", c.flood)
				}, func() { asker.want("ended", "end") })
				if refused := number(m.stat(c.refusals)) - before; refused < 15 {
					t.Errorf("%d calls were refused", refused)
				}
			})
		})
	}
}

// A user who has more requests than are served at a time waits for their own, and others pass by.
func TestOthersPassRequestsThatWait(t *testing.T) {
	const limit = 4
	inEach(t, places, fmt.Sprintf("limit-readers=0,limit-requests=%d", limit), func(t *testing.T, m *mounted) {
		for kind, threads := range map[string]int{"stat": 200, "open": 200, "write": 100, "maps": 40} {
			if raced(t) {
				threads /= 4
			}
			flood := act(t, greedy, "flood", m.path)
			most, queued := 0, 0
			requireFast(t, m, "beside a flood of "+kind, func() {
				flood.do("begin %s %d", kind, threads)
				eventually(t, func() error {
					most = max(most, m.figure(greedy, "REQUESTS"))
					if queued = max(queued, m.figure(greedy, "QUEUED")); queued == 0 {
						return fmt.Errorf("nothing waits for its turn in a flood of %s", kind)
					}
					return nil
				})
			}, func() { flood.want("ended", "end") })
			t.Logf("%s: %d served at a time, %d waiting; %s calls", kind, most, queued, flood.do("calls"))
			if most > 2*limit { // in two lines
				t.Errorf("%d requests of one user were served at a time", most)
			}
			m.await(greedy, "QUEUED", 0)
		}
	})
}
