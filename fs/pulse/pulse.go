// Package pulse has a timer pending as long as a process has work.
//
// When the Go runtime stops all goroutines, as the garbage collector has it do twice a cycle, it takes the processors of those in
// system calls from them. Go 1.26 and 1.27 miss a goroutine that is just about to enter one, and then nothing runs until that call
// returns or the runtime's monitor thread looks again, which with the world half stopped it does only when a timer is due, and else
// after a minute. A reader waits in its call for a request that no client can send while all wait for answers, and a supervisor for a death
// that it would not notice, so the mount would hang that long (docs/decisions/0016). A pulse has a timer due soon whenever there is work.
package pulse

import (
	"sync/atomic"
	"time"
)

const (
	// period is how long such a stop can last at most.
	period = 100 * time.Millisecond
	// rest is after how many periods without work there is no timer any more: an idle daemon wakes no processor. It is
	// more than one, for work that takes its time.
	rest = 10
)

// Pulse keeps a timer pending while there is work. The zero value is ready. All methods may be called concurrently.
type Pulse struct {
	beats   atomic.Uint64 // how often there was work
	pending atomic.Bool   // there is a timer
}

// Beat says that there is work. It must be called before a goroutine that was waiting does anything that may end in a system call
// which waits again.
func (p *Pulse) Beat() {
	p.beats.Add(1)
	if !p.pending.Load() && p.pending.CompareAndSwap(false, true) {
		p.wait(0)
	}
}

// Beats returns how often there was work.
func (p *Pulse) Beats() uint64 { return p.beats.Load() }

// Pending says whether there is a timer.
func (p *Pulse) Pending() bool { return p.pending.Load() }

// wait has the timer due after a period, in which there was no work for so many periods already.
func (p *Pulse) wait(quiet int) {
	beats := p.beats.Load()
	time.AfterFunc(period, func() { p.due(beats, quiet+1) })
}

// due decides whether to go on when there have been so many periods, if no beat since, without work.
func (p *Pulse) due(beats uint64, quiet int) {
	if p.beats.Load() != beats {
		quiet = 0
	}
	if quiet < rest {
		p.wait(quiet)
		return
	}
	p.stop(beats)
}

// stop has no timer any more, if there were only so many beats.
func (p *Pulse) stop(beats uint64) {
	p.pending.Store(false)
	// Who beat right before that relied on the timer.
	if p.beats.Load() != beats && p.pending.CompareAndSwap(false, true) {
		p.wait(0)
	}
}
