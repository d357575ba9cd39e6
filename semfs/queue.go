package semfs

import "container/list"

// claim is one command that waits for units.
type claim struct {
	intent  Intent        // to take the units
	client  *Client       // for whom
	user    uint32        // who waits
	granted chan error    // told once, nil with the units; has room for that
	place   *list.Element // in the queue; nil once it was told
}

// queue holds claims in the order in which they came. Its owner locks it.
type queue struct {
	claims list.List
	depart func(user uint32) // called for each that goes; immutable
}

func (q *queue) length() int { return q.claims.Len() }

func (q *queue) add(c *claim) { c.place = q.claims.PushBack(c) }

// remove takes a claim out; false when it was told already.
func (q *queue) remove(c *claim) bool {
	if c.place == nil {
		return false
	}
	q.claims.Remove(c.place)
	c.place = nil
	q.depart(c.user)
	return true
}

// tell takes a claim out and ends its wait.
func (q *queue) tell(c *claim, err error) {
	q.remove(c)
	c.granted <- err
}

// tellAll ends every wait.
func (q *queue) tellAll(err error) {
	for front := q.claims.Front(); front != nil; front = q.claims.Front() {
		q.tell(front.Value.(*claim), err)
	}
}

// all yields the claims, each of which may be taken out meanwhile.
func (q *queue) all(yield func(*claim) bool) {
	var next *list.Element
	for element := q.claims.Front(); element != nil; element = next {
		next = element.Next()
		if !yield(element.Value.(*claim)) {
			return
		}
	}
}
