package differential

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// rapid draws the cases and confirms that a failure happens again. Making it small is done here, on the program that was
// made: removing whole stretches of calls first takes far fewer runs than lowering what was drawn, value by value.

// shrinker makes a failing program smaller.
type shrinker struct {
	pair     *pair
	ticking  bool
	best     *failed
	deadline time.Time
}

// shrink returns the smallest program found that fails in the same way, within the given time.
func (p *pair) shrink(found *failed, within time.Duration) *failed {
	patience := p.patience
	p.patience = shortPatience
	defer func() { p.patience = patience }()
	s := &shrinker{pair: p, ticking: found.ticking, best: found, deadline: time.Now().Add(within)}
	s.stopTicking()
	s.removeWorkers()
	for rounds := 0; rounds < 5; rounds++ {
		before := len(s.best.made)
		s.removeStretches()
		simplified := s.simplifyCalls()
		if len(s.best.made) == before && !simplified {
			break
		}
	}
	return s.best
}

// accept runs the program and keeps it if it fails in the same way.
func (s *shrinker) accept(program []Call) bool {
	if time.Now().After(s.deadline) || s.pair.broke != nil {
		return false
	}
	var failure *failed
	if !errors.As(s.pair.replay(s.ticking, program), &failure) || failure.Error() != s.best.Error() {
		return false
	}
	s.best = failure
	return true
}

// stopTicking tries without waiting for the clock between calls, which makes every further run many times faster.
func (s *shrinker) stopTicking() {
	if !s.ticking {
		return
	}
	s.ticking = false
	if !s.accept(s.best.made) {
		s.ticking = true
	}
}

// removeWorkers tries without all calls of one worker.
func (s *shrinker) removeWorkers() {
	for worker := range identities {
		without := slices.DeleteFunc(slices.Clone(s.best.made), func(c Call) bool { return c.Worker == worker })
		if len(without) < len(s.best.made) {
			s.accept(without)
		}
	}
}

// removeStretches tries without every stretch of calls, long ones first. The last call stays: it is the one that fails.
func (s *shrinker) removeStretches() {
	for size := max(len(s.best.made)/2, 1); size > 0; size /= 2 {
		for end := len(s.best.made) - 1; end > 0; end -= size {
			end = min(end, len(s.best.made)-1)
			s.accept(slices.Delete(slices.Clone(s.best.made), max(end-size, 0), end))
		}
	}
}

// simplifyCalls tries every simplification on every call, and tells whether one of them held.
func (s *shrinker) simplifyCalls() bool {
	simplified := false
	for i := 0; i < len(s.best.made); i++ {
		for _, simplify := range simplifications {
			simplified = s.simplifyCall(i, simplify) || simplified
		}
	}
	return s.mergeWorkers() || simplified
}

// simplifyCall tries the simpler forms of one call until one holds. The program may have become shorter meanwhile: it ends
// with the first call that fails.
func (s *shrinker) simplifyCall(i int, simplify func(Call) []Call) bool {
	if i >= len(s.best.made) {
		return false
	}
	call := s.best.made[i]
	for _, simpler := range simplify(call) {
		program := slices.Clone(s.best.made)
		program[i] = simpler
		if simpler != call && s.accept(program) {
			return true
		}
	}
	return false
}

// mergeWorkers tries to give all calls of one worker to a simpler one.
func (s *shrinker) mergeWorkers() bool {
	merged := false
	for from := len(identities) - 1; from > 0; from-- {
		for to := range from {
			program := slices.Clone(s.best.made)
			for i := range program {
				if program[i].Worker == from {
					program[i].Worker = to
				}
			}
			if !slices.Equal(program, s.best.made) && s.accept(program) {
				merged = true
				break
			}
		}
	}
	return merged
}

// simplifications give simpler forms of a call, the simplest first. All of them stay as they are when applied again.
var simplifications = []func(Call) []Call{
	func(c Call) []Call { c.Watch = watchAround; return []Call{c} },
	func(c Call) []Call { c.At = workingDirectory; return []Call{c} },
	func(c Call) []Call { c.Fill = min(c.Fill, 1); return []Call{c} },
	func(c Call) []Call {
		if c.Mode != 0 {
			c.Mode = 0o666
		}
		return []Call{c}
	},
	simplerFlags,
	func(c Call) []Call {
		return simplerNumbers(c, c.Offset, func(c *Call, n int64) { c.Offset = n })
	},
	func(c Call) []Call {
		return simplerNumbers(c, c.Offset2, func(c *Call, n int64) { c.Offset2 = n })
	},
	func(c Call) []Call {
		return simplerNumbers(c, c.Length, func(c *Call, n int64) { c.Length = n })
	},
	func(c Call) []Call { return simplerPaths(c, c.Path, func(c *Call, n Name) { c.Path = n }) },
	func(c Call) []Call { return simplerPaths(c, c.Path2, func(c *Call, n Name) { c.Path2 = n }) },
}

// flagsAreBits names the operations whose Flags can lose one bit and still mean something.
var flagsAreBits = []string{"open", "open directory", "fcntl F_SETFL", "link", "chown", "utimensat", "renameat2", "setxattr", "fsetxattr"}

func simplerFlags(c Call) []Call {
	if !slices.Contains(flagsAreBits, c.Operation) {
		return nil
	}
	var all []Call
	for bit := 1 << 30; bit > 0; bit >>= 1 {
		if c.Flags&bit != 0 && bit != unix.O_DIRECTORY {
			simpler := c
			simpler.Flags &^= bit
			all = append(all, simpler)
		}
	}
	return all
}

func simplerNumbers(c Call, now int64, set func(*Call, int64)) []Call {
	var all []Call
	for _, simpler := range []int64{0, 1, 100, 4096, 8192, now / pageSize * pageSize} {
		if simpler < now {
			candidate := c
			set(&candidate, simpler)
			all = append(all, candidate)
		}
	}
	return all
}

func simplerPaths(c Call, now Name, set func(*Call, Name)) []Call {
	var all []Call
	for _, simpler := range []Name{"f0", "f1", "f2", "d0", "d1"} {
		if len(now) > len(simpler) {
			candidate := c
			set(&candidate, simpler)
			all = append(all, candidate)
		}
	}
	return all
}
