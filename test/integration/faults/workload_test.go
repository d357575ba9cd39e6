package faults

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// between is the longest time between two moments of harm.
const between = 250 * time.Millisecond

// TestModel lets the clients work on a tmpfs: what they expect is right.
func TestModel(t *testing.T) {
	place := rig.Tmpfs(t, "size=512M,mode=1777")
	c := startCrew(t, clients, order{Place: place, Plain: true})
	wait(c.failed.Load, time.Duration(setting(t, "MODEL_SECONDS", 3, 60))*time.Second)
	requireNothingWrong(t, c.stop())
	requireNothingWrong(t, c.inCommon())
	c.requireReached()
	t.Log(c.times())
}

// TestLiesAreFound lets the clients do wrong what a daemon could do wrong: it does not go unnoticed.
func TestLiesAreFound(t *testing.T) {
	for _, told := range lies {
		t.Run(string(told), func(t *testing.T) {
			d := mountDaemon(t, "require-passthrough,size=1G")
			c := startCrew(t, clients, order{Place: d.place, Lie: told})
			wait(c.failed.Load, 2*time.Second)
			found := c.stop()
			if len(found) == 0 {
				found = c.inCommon()
			}
			if len(found) == 0 {
				t.Error("nobody has noticed")
			}
		})
	}
}

// TestClientsNoticeNothing has harm done to the daemon while the clients work.
func TestClientsNoticeNothing(t *testing.T) {
	for _, each := range []struct {
		commit string
		harms  []harm
	}{{"strict", every()}, {"lazy", some()}} {
		for _, harm := range each.harms {
			t.Run("commit="+each.commit+", "+harm.name, func(t *testing.T) {
				d := mountDaemon(t, "require-passthrough,size=1G,nr_inodes=100k,commit="+each.commit)
				before, err := d.stats()
				must(t, err)
				c := startCrew(t, clients, order{Place: d.place})
				wait(c.failed.Load, time.Duration(setting(t, "PEACE_SECONDS", 1, 10))*time.Second)
				strokes := befall(t, c.failed.Load, d, &harm)
				requireNothingWrong(t, c.stop())
				requireNothingWrong(t, c.inCommon())
				c.requireReached()
				d.requireSettled(t, c.beyond())
				d.requireEmptied(t, before)
				t.Log(c.times())
				requirePauses(t, &harm, strokes, c.times().Slow)
			})
		}
	}
}

func requireNothingWrong(t *testing.T, found []string) {
	t.Helper()
	if len(found) > 0 {
		t.Fatalf("%d times something is wrong:\n%s", len(found), strings.Join(found, "\n"))
	}
}

// wait waits so long, or until somebody has found something wrong.
func wait(failed func() bool, length time.Duration) {
	for end := now() + length; now() < end && !failed(); {
		pause(min(10*time.Millisecond, end-now()))
	}
}

// stroke is one moment of harm, until all was as before.
type stroke struct{ start, end time.Duration }

// befall does harm in random moments, as often as it is to be done, or until a client has found something wrong.
func befall(t *testing.T, failed func() bool, d *daemon, what *harm) []stroke {
	t.Helper()
	h := &harming{t: t, daemon: d, choose: rand.New(rand.NewPCG(uint64(now()), 0)).IntN}
	var strokes []stroke
	for range setting(t, what.setting, what.usual, what.full) {
		wait(failed, time.Duration(h.choose(int(between))))
		if failed() {
			break
		}
		h.began = now()
		if err := what.do(h); err != nil {
			t.Errorf("%s: %v", what.name, err)
			break
		}
		strokes = append(strokes, stroke{h.began, now()})
	}
	if what.dies {
		restarts, err := d.figure("worker-restarts")
		must(t, err)
		if restarts < len(strokes) {
			t.Errorf("%s %d times, and worker-restarts is %d", what.name, len(strokes), restarts)
		}
	}
	return strokes
}

// requirePauses holds the pauses against their bars. A pause is the longest call of any client that was under way in a moment of harm.
func requirePauses(t *testing.T, what *harm, strokes []stroke, slow []span) {
	t.Helper()
	var pauses []time.Duration
	for _, one := range strokes {
		longest := time.Duration(0) // or too short to have been noted
		for _, call := range slow {
			if call.Start <= one.end && call.End >= one.start {
				longest = max(longest, call.took())
			}
		}
		pauses = append(pauses, longest)
	}
	p50, p99, most := quantileOf(pauses, 0.5), quantileOf(pauses, 0.99), quantileOf(pauses, 1)
	t.Logf("%d times; the longest call then: p50 %v, p99 %v, longest %v", len(strokes), p50, p99, most)
	if p50 < what.least {
		t.Errorf("p50 of the pause is %v, and it lasted %v: pauses are not seen", p50, what.least)
	}
	if what.p50 > 0 {
		requireWithin(t, "p50 of the pause", p50, what.p50)
	}
	switch {
	case what.p99 == 0:
	case strict():
		requireWithin(t, "p99 of the pause", p99, what.p99)
	default: // the longest of so few may be the machine's fault
		requireWithin(t, "half of the pauses", p50, what.p99)
	}
}
