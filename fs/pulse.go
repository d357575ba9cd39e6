package fs

import (
	"sync/atomic"
	"time"
)

// When the Go runtime stops all goroutines, as the garbage collector has it do twice a cycle, it takes the processors of those in
// system calls from them. Go 1.26 and 1.27 miss a goroutine that is just about to enter one, and then nothing runs until that call
// returns or the runtime's monitor thread looks again, which with the world half stopped it does only when a timer is due, and else
// after a minute. A reader waits in its call for a request that no client can send while all wait for answers, so the mount would hang
// that long (docs/decisions/0016). A pulse has a timer due soon whenever there is work.

const (
	// pulsePeriod is how long such a stop can last at most.
	pulsePeriod = 100 * time.Millisecond
	// pulseRest is after how many periods without work there is no timer any more: an idle daemon wakes no processor. It is
	// more than one, for work that takes its time.
	pulseRest = 10
)

// pulse keeps a timer pending while there is work. The zero value is ready. All methods may be called concurrently.
type pulse struct {
	beats   atomic.Uint64 // how often there was work
	pending atomic.Bool   // there is a timer
}

// beat says that there is work. It must be called before a goroutine that was waiting does anything that may end in a system call
// which waits again.
func (p *pulse) beat() {
	p.beats.Add(1)
	if !p.pending.Load() && p.pending.CompareAndSwap(false, true) {
		p.wait(0)
	}
}

// wait has the timer due after a period, in which there was no work for so many periods already.
func (p *pulse) wait(quiet int) {
	beats := p.beats.Load()
	time.AfterFunc(pulsePeriod, func() { p.due(beats, quiet+1) })
}

// due decides whether to go on when there have been so many periods, if no beat since, without work.
func (p *pulse) due(beats uint64, quiet int) {
	if p.beats.Load() != beats {
		quiet = 0
	}
	if quiet < pulseRest {
		p.wait(quiet)
		return
	}
	p.rest(beats)
}

// rest has no timer any more, if there were only so many beats.
func (p *pulse) rest(beats uint64) {
	p.pending.Store(false)
	// Who beat right before that relied on the timer.
	if p.beats.Load() != beats && p.pending.CompareAndSwap(false, true) {
		p.wait(0)
	}
}
