package pulse

import (
	"testing"
	"testing/synctest"
	"time"
)

// A timer is pending from the first beat until there was no work for a while, and again from the next.
func TestPulseLastsAsLongAsThereIsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pulse
		pending := func(want bool) {
			t.Helper()
			synctest.Wait()
			if p.pending.Load() != want {
				t.Errorf("a timer is pending: %v, want %v", !want, want)
			}
		}
		pending(false)
		for range 2 {
			for range 3 * rest {
				p.Beat()
				time.Sleep(period + 1)
				pending(true)
			}
			time.Sleep((rest - 2) * period)
			pending(true)
			time.Sleep(3 * period)
			pending(false)
		}
	})
}

// Who beats when the timer is about to be the last relies on it, and gets another.
func TestPulseGoesOnForTheLastBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pulse
		p.Beat()
		beats := p.beats.Load()
		p.Beat()
		p.stop(beats)
		if !p.pending.Load() {
			t.Error("there was work, and no timer is pending")
		}
		p.stop(p.beats.Load())
		if p.pending.Load() {
			t.Error("there was no work, and a timer is pending")
		}
	})
}
