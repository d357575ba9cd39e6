package semfs

import "math"

// poller is one who is told, once, that a unit came.
type poller struct {
	user    uint32
	tell    func()
	another bool // there was a unit when it asked: it is told of the next
}

// pollers are those who poll one semaphore, by a key of theirs. Their owner locks them.
type pollers struct {
	byKey  map[uint64]poller
	depart func(user uint32) // called for each that goes; immutable
}

func (p *pollers) length() int { return len(p.byKey) }

// put adds one, in the place of whoever has the key.
func (p *pollers) put(key uint64, one poller) {
	p.remove(key)
	p.byKey[key] = one
}

// remove takes one out; false when there is none.
func (p *pollers) remove(key uint64) bool {
	one, polls := p.byKey[key]
	if polls {
		delete(p.byKey, key)
		p.depart(one.user)
	}
	return polls
}

// clear takes all out.
func (p *pollers) clear() {
	for key := range p.byKey {
		p.remove(key)
	}
}

// wanted is how many units the sleeper is to wake for at least: for those who know of a unit, any post; 0 when nobody polls.
func (p *pollers) wanted() uint32 {
	least := uint32(0)
	for _, one := range p.byKey {
		if !one.another {
			return 1
		}
		least = math.MaxUint32
	}
	return least
}

// take removes those who are to be told that there is a unit: who know of one already only if the memory has changed since.
func (p *pollers) take(changed bool) []func() {
	var told []func()
	for key, one := range p.byKey {
		if one.another && !changed {
			continue
		}
		told = append(told, one.tell)
		p.remove(key)
	}
	return told
}

// knowOfNone notes that the units of which they knew are gone, so that whatever comes is another, however alike the memory looks then.
func (p *pollers) knowOfNone() {
	for key, one := range p.byKey {
		if one.another {
			one.another = false
			p.byKey[key] = one
		}
	}
}
