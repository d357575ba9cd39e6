package semfs

import "math"

// poller is one who is told, once, that a unit came.
type poller struct {
	tell    func()
	another bool // there was a unit when it asked: it is told of the next
}

// pollers are those who poll one semaphore, by a key of theirs. Their owner locks them.
type pollers map[uint64]poller

// wanted is how many units the sleeper is to wake for at least: for those who know of a unit, any post; 0 when nobody polls.
func (p pollers) wanted() uint32 {
	least := uint32(0)
	for _, one := range p {
		if !one.another {
			return 1
		}
		least = math.MaxUint32
	}
	return least
}

// take removes those who are to be told that there is a unit: who know of one already only if the memory has changed since.
func (p pollers) take(changed bool) []func() {
	var told []func()
	for key, one := range p {
		if one.another && !changed {
			continue
		}
		told = append(told, one.tell)
		delete(p, key)
	}
	return told
}

// knowOfNone notes that the units of which they knew are gone, so that whatever comes is another, however alike the memory looks then.
func (p pollers) knowOfNone() {
	for key, one := range p {
		if one.another {
			p[key] = poller{tell: one.tell}
		}
	}
}
