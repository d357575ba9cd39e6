package semfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Kind is what a change does to a semaphore's memory. The numbers are recorded by one process and read by another: they stay what
// they are.
type Kind uint8

// The kinds.
const (
	Post    Kind = 1 // adds units
	Take    Kind = 2 // takes units, which must be there
	Acquire Kind = 3 // takes units that a client holds from then on
	Release Kind = 4 // adds units that a client has held
	Return  Kind = 5 // adds what a client has held to its end, as far as there is room
	Set     Kind = 6 // makes the number of units another
	Join    Kind = 7 // counts a waiter more, an operator's sleeper
	Leave   Kind = 8 // counts it no longer
)

var activities = [...]string{
	Post:    "posting to a semaphore",
	Take:    "taking from a semaphore",
	Acquire: "acquiring from a semaphore",
	Release: "releasing to a semaphore",
	Return:  "giving back to a semaphore",
	Set:     "setting a semaphore",
	Join:    "joining the waiters of a semaphore",
	Leave:   "leaving the waiters of a semaphore",
}

// activity says in errors what was being done.
func (k Kind) activity() string {
	if int(k) < len(activities) && activities[k] != "" {
		return activities[k]
	}
	return "changing a semaphore"
}

// check is EINVAL when a change of the kind cannot move so many units.
func (k Kind) check(units uint32) error {
	switch k {
	case Join, Leave:
		return nil
	case Set:
		if units > MaxValue {
			return fmt.Errorf("to %d: %w", units, unix.EINVAL)
		}
		return nil
	case Post, Take, Acquire, Release, Return:
		if units == 0 {
			return fmt.Errorf("no units: %w", unix.EINVAL)
		}
		return nil
	}
	return fmt.Errorf("a change of kind %d: %w", k, unix.EINVAL)
}

// next are the words after a change, and how many units it moves. Errors: EAGAIN when there are not enough to be taken, EOVERFLOW
// when there is no room.
func (k Kind) next(layout Layout, w words, units uint32) (after words, moved uint32, err error) {
	value := layout.value(w)
	switch k {
	case Join:
		return w.joined(), 0, nil
	case Leave:
		return w.left(), 0, nil
	case Set:
		after = layout.with(w, units)
		if units == 0 && w.waiters() > 0 {
			after = layout.awaited(after) // sleepers stay sleepers
		}
		return after, units, nil
	case Take, Acquire:
		if value < units {
			return w, 0, unix.EAGAIN
		}
		return layout.taken(w, units), units, nil
	case Return:
		units = min(units, max(MaxValue-value, 1))
	}
	if units > MaxValue-value {
		return w, 0, fmt.Errorf("%d units more than %d: %w", units, value, unix.EOVERFLOW)
	}
	return layout.posted(w, units), units, nil
}

// wakes is how many sleepers a change must wake that found these words and moved so many units.
func (k Kind) wakes(found content, moved uint32) int {
	switch k {
	case Post, Release, Return, Set:
		if moved > 0 {
			return found.layout.wakes(found.words, moved)
		}
	}
	return 0
}
