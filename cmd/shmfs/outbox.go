package main

import "sync"

// outbox does one thing after another in the background, in the order in which they were put in, for one who must not wait.
type outbox struct {
	mu    sync.Mutex
	queue []func() // guarded by mu
	busy  bool     // somebody does what is in it; guarded by mu
}

func (o *outbox) put(do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, do)
	if !o.busy {
		o.busy = true
		go o.empty()
	}
}

func (o *outbox) empty() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.busy = false
			o.mu.Unlock()
			return
		}
		next := o.queue[0]
		o.queue = o.queue[1:]
		o.mu.Unlock()
		next()
	}
}
