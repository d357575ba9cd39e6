package semfs

import (
	"cmp"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Client is one open file through which a semaphore is operated. What it has acquired goes back when it is closed. Its methods may be
// called concurrently, but for Close.
type Client struct {
	operator *Operator // immutable
	number   uint64    // by which the recorder is told of it; immutable
	held     uint64    // units, more than a semaphore can have if its value was set meanwhile; guarded by Operator.mu
	holder   Holder    // who acquired last; guarded by Operator.mu

	asked     int    // the process that described says more of; guarded by Operator.mu
	described Holder // guarded by Operator.mu
}

// NewClient returns one that holds nothing. The recorder is told of it by its number.
func (o *Operator) NewClient(number uint64) *Client { return &Client{operator: o, number: number} }

// Do does the commands in a text, one a line, in their order, up to the first that fails. It returns how many bytes of the text
// are done with; an error only if that is none. Errors: EINVAL for a line that is no command, and those of the commands
// (docs/semaphores.md).
func (c *Client) Do(text []byte, conditions Conditions) (int, error) {
	done := 0
	for done < len(text) {
		line, length := cutLine(text[done:])
		parsed, found, err := parseCommand(line)
		if err == nil && found {
			parsed.end = done + length
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
	intent := Intent{Kind: wanted.kind, Units: wanted.units, Request: conditions.Request, Progress: conditions.Progress + wanted.end}
	if intent.Kind == Acquire {
		intent.Holder = c.describe(conditions)
	}
	err := c.attempt(intent)
	if wanted.patient && errors.Is(err, unix.EAGAIN) {
		err = c.operator.wait(&claim{intent: intent, client: c, user: conditions.User}, wanted.timeout, conditions)
	}
	if err == nil && conditions.Did != nil && wanted.kind != Set {
		conditions.Did(c.moved(wanted, conditions.Progress))
	}
	return err
}

// moved is what a command has done.
func (c *Client) moved(done command, progress int) Moved {
	posted := done.kind == Post || done.kind == Release
	return Moved{Posted: posted, Units: done.units, Progress: progress + done.end, operator: c.operator}
}

// Last returns what the last command in a text has done, of which all commands were done, by a process that has died perhaps; false when it has moved no
// units. progress is Conditions'.
func (c *Client) Last(text []byte, progress int) (last Moved, found bool) {
	for done := 0; done < len(text); {
		line, length := cutLine(text[done:])
		done += length
		parsed, is, err := parseCommand(line)
		if err != nil || !is {
			continue
		}
		parsed.end = done
		last, found = c.moved(parsed, progress), parsed.kind != Set
	}
	return last, found
}

// attempt does what needs no waiting.
func (c *Client) attempt(intent Intent) error {
	_, err := c.moveAlone(intent)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	state, invalid := c.operator.memory.State()
	if invalid == nil {
		invalid = state.valid()
	}
	return cmp.Or(invalid, err) // what is no semaphore cannot be held at all
}

// moveAlone is move with the operator's lock taken.
func (c *Client) moveAlone(intent Intent) (moved uint32, err error) {
	c.operator.lock()
	defer c.operator.unlock()
	return c.move(intent)
}

// move makes a change and notes what the client holds then. Units that go are not held any more before they come to the memory, and those that
// come are held after they left it. Error: EPERM when the client does not hold what it releases. The caller has called the operator's
// lock.
func (c *Client) move(intent Intent) (moved uint32, err error) {
	held := c.held
	switch intent.Kind {
	case Acquire:
		intent.Client, intent.Held = c.number, held+uint64(intent.Units)
	case Release:
		if held < uint64(intent.Units) {
			return 0, fmt.Errorf("%d units to give back, %d held through this open file: %w", intent.Units, held, unix.EPERM)
		}
		intent.Client, intent.Held = c.number, held-uint64(intent.Units)
		c.hold(intent.Held)
	case Return:
		intent.Client = c.number
		c.hold(0)
	}
	moved, err = c.operator.make(intent)
	switch {
	case err == nil && intent.Kind == Acquire:
		c.holder = intent.Holder
		c.hold(intent.Held)
	case err != nil && intent.Kind == Release:
		c.hold(held)
	}
	return moved, err
}

// hold notes how many units the client holds. The caller holds Operator.mu.
func (c *Client) hold(units uint64) {
	c.held = units
	if units > 0 {
		c.operator.holding[c] = struct{}{}
	} else {
		delete(c.operator.holding, c)
	}
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

// Held is how many units the client holds.
func (c *Client) Held() uint64 {
	c.operator.mu.Lock()
	defer c.operator.mu.Unlock()
	return c.held
}

// Close gives back everything held. What no room is left for, because somebody set the value meanwhile, is lost, and the error is
// EOVERFLOW; so are units of a file that is no semaphore any more: EINVAL.
func (c *Client) Close() error {
	c.operator.lock()
	defer c.operator.unlock()
	units := c.held
	if units == 0 {
		return nil
	}
	moved, err := c.move(Intent{Kind: Return, Units: uint32(min(units, MaxValue))})
	lost := units - uint64(moved)
	if lost > 0 && (err == nil || errors.Is(err, unix.EOVERFLOW)) {
		return fmt.Errorf("giving back %d units, of which %d find no room and are lost: %w", units, lost, unix.EOVERFLOW)
	}
	return err
}
