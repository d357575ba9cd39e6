package semfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Client is one open file through which a semaphore is operated. What it has acquired goes back when it is closed. Its methods may be
// called concurrently, but for Close.
type Client struct {
	operator *Operator // immutable
	held     uint64    // units, more than a semaphore can have if its value was set meanwhile; guarded by Operator.mu
	holder   Holder    // who acquired last; guarded by Operator.mu

	asked     int    // the process that described says more of; guarded by Operator.mu
	described Holder // guarded by Operator.mu
}

// NewClient returns one that holds nothing.
func (o *Operator) NewClient() *Client { return &Client{operator: o} }

// Do does the commands in a text, one a line, in their order, up to the first that fails. It returns how many bytes of the text
// are done with; an error only if that is none. Errors: EINVAL for a line that is no command, and those of the commands
// (docs/semaphores.md).
func (c *Client) Do(text []byte, conditions Conditions) (int, error) {
	done := 0
	for done < len(text) {
		line, length := cutLine(text[done:])
		parsed, found, err := parseCommand(line)
		if err == nil && found {
			err = c.do(parsed, &conditions)
		}
		if err != nil && done > 0 {
			return done, nil // the caller writes the rest again, and is told then
		}
		if err != nil {
			return 0, err
		}
		done += length
	}
	return done, nil
}

func (c *Client) do(wanted command, conditions *Conditions) error {
	err := c.attempt(wanted, conditions)
	switch wanted.verb {
	case verbTake, verbAcquire:
		if errors.Is(err, unix.EAGAIN) && wanted.patient {
			err = c.wait(wanted, conditions)
		}
	}
	if err == nil && conditions.Did != nil && wanted.verb != verbSet {
		posted := wanted.verb == verbPost || wanted.verb == verbRelease
		conditions.Did(Moved{Posted: posted, Units: wanted.units, operator: c.operator})
	}
	return err
}

// attempt does what needs no waiting.
func (c *Client) attempt(wanted command, conditions *Conditions) error {
	switch wanted.verb {
	case verbPost:
		return c.operator.memory.Post(wanted.units)
	case verbTake:
		return c.operator.memory.Take(wanted.units)
	case verbSet:
		return c.operator.memory.Set(wanted.units)
	case verbAcquire:
		return c.acquire(wanted.units, c.describe(conditions))
	}
	return c.release(wanted.units)
}

func (c *Client) wait(wanted command, conditions *Conditions) error {
	waiting := &claim{units: wanted.units}
	if wanted.verb == verbAcquire {
		waiting.client, waiting.holder = c, c.describe(conditions)
	}
	return c.operator.wait(waiting, wanted.timeout, conditions)
}

// together runs f with units and notes of them moving in one step, where that is possible: while another process is asked nothing
// is locked.
func (o *Operator) together(change func() error, note func()) error {
	if o.semaphore == nil {
		if err := change(); err != nil {
			return err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		note()
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := change(); err != nil {
		return err
	}
	note()
	return nil
}

// describe says more of who asks. That is found out once as long as the same one asks, and now, since a process that has passed its
// open file on may be gone by the time that somebody wants to know.
func (c *Client) describe(conditions *Conditions) Holder {
	if conditions.Describe == nil {
		return Holder{Process: conditions.Process}
	}
	o := c.operator
	o.mu.Lock()
	asked, described := c.asked, c.described
	o.mu.Unlock()
	if asked == conditions.Process && asked != 0 {
		return described
	}
	described = conditions.Describe(conditions.Process)
	o.mu.Lock()
	defer o.mu.Unlock()
	c.asked, c.described = conditions.Process, described
	return described
}

func (c *Client) acquire(units uint32, holder Holder) error {
	o := c.operator
	return o.together(func() error { return o.memory.Take(units) }, func() { c.hold(units, holder) })
}

// hold notes units that somebody acquired. The caller holds Operator.mu.
func (c *Client) hold(units uint32, holder Holder) {
	c.holder = holder
	c.held += uint64(units)
	c.operator.holding[c] = struct{}{}
}

// unhold takes units off the note. Error: EPERM when there are not as many. The caller holds Operator.mu.
func (c *Client) unhold(units uint32) error {
	if c.held < uint64(units) {
		return fmt.Errorf("%d units to give back, %d held through this open file: %w", units, c.held, unix.EPERM)
	}
	c.held -= uint64(units)
	if c.held == 0 {
		delete(c.operator.holding, c)
	}
	return nil
}

// release gives units back. Should that fail they stay held.
func (c *Client) release(units uint32) error {
	o := c.operator
	state, err := o.memory.State()
	if err == nil {
		err = state.valid()
	}
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := c.unhold(units); err != nil {
		return err
	}
	if o.semaphore == nil {
		o.mu.Unlock()
		err := o.memory.Post(units)
		o.mu.Lock()
		if err != nil {
			c.hold(units, c.holder)
		}
		return err
	}
	if err := o.memory.Post(units); err != nil {
		c.hold(units, c.holder)
		return err
	}
	return nil
}

// Held is how many units the client holds.
func (c *Client) Held() uint64 {
	c.operator.mu.Lock()
	defer c.operator.mu.Unlock()
	return c.held
}

// Close gives back everything held. What no room is left for, because somebody set the value meanwhile, is lost, and the error is
// EOVERFLOW; so are units of a file that is no semaphore any more: EINVAL.
func (c *Client) Close() error {
	o := c.operator
	o.mu.Lock()
	defer o.mu.Unlock()
	units := c.held
	if units == 0 {
		return nil
	}
	c.held = 0
	delete(o.holding, c)
	if o.semaphore == nil {
		o.mu.Unlock()
		defer o.mu.Lock()
	}
	return giveBack(o.memory, units)
}

// giveBack posts units as far as there is room for them. Error: EOVERFLOW, with how many are lost.
func giveBack(memory Memory, units uint64) error {
	fitting := uint32(min(units, MaxValue))
	err := memory.Post(fitting)
	if errors.Is(err, unix.EOVERFLOW) {
		fitting, err = postWhatFits(memory, fitting)
	}
	if lost := units - uint64(fitting); err == nil && lost > 0 {
		err = fmt.Errorf("giving back %d units, of which %d find no room and are lost: %w", units, lost, unix.EOVERFLOW)
	}
	return err
}

// postWhatFits posts at most units, and returns how many.
func postWhatFits(memory Memory, units uint32) (uint32, error) {
	state, err := memory.State()
	if err == nil {
		err = state.valid()
	}
	if err != nil {
		return 0, err
	}
	fitting := min(units, MaxValue-state.Value)
	if fitting == 0 {
		return 0, nil
	}
	return fitting, memory.Post(fitting)
}
