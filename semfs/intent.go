package semfs

// Intent is a change of a semaphore's memory that is about to be made, and what follows from it.
type Intent struct {
	Stamp    uint32 // that the memory has once the change is made
	Kind     Kind
	Units    uint32 // of Set the value; of Return as many at most
	Request  uint64 // number of the request on whose behalf it is made; 0: none
	Progress int    // bytes of the request's text that are done with once it is made (see Conditions)
	Client   uint64 // number of the client whose holding changes, of Acquire, Release and Return; else 0
	Held     uint64 // units that the client holds once it is made
	Holder   Holder // who acquires, of Acquire
}

// Recorder is told of every change that an operator makes, before and after, and keeps it in memory that outlives the process. With that
// another operator finds out later whether the last one was made (Operator.Settle). Its methods are called one at a time for one
// operator, which waits for them with its lock held: they must not call it.
type Recorder interface {
	// Intend is told what may be in the memory from now on. It takes the place of what was intended before. With an error the
	// change is not made, and fails by that.
	Intend(intent Intent) error
	// Done is told that a change was made. All that follows from it should be recorded in one step with that nothing is
	// intended any more: what the client holds, how far the request is done, that a sleeper is counted or is not. A sleeper
	// may be counted no longer without having intended that, when the file is no semaphore any more.
	Done(intent Intent)
	// Abandon is told that what was intended last was not made, and will not be.
	Abandon()
}

// begin notes what is to be told of a change. The caller holds what end is called with.
func (o *Operator) begin(intent Intent) {
	o.intent, o.intended = intent, false
}

// intend tells of the change that was begun, with its stamp.
func (o *Operator) intend(stamp uint32) error {
	o.intent.Stamp, o.intended = stamp, true
	return o.recorder.Intend(o.intent)
}

// end tells what came of the change that was begun.
func (o *Operator) end(done bool) {
	switch {
	case o.recorder == nil:
	case done:
		o.recorder.Done(o.intent)
	case o.intended:
		o.recorder.Abandon()
	}
}

// make makes a change, and returns how many units it moved. The caller has called lock; mu is let go while another process is asked.
func (o *Operator) make(intent Intent) (moved uint32, err error) {
	if o.semaphore == nil {
		o.mu.Unlock()
		defer o.mu.Lock()
	}
	o.begin(intent)
	moved, err = o.memory.Change(intent.Kind, intent.Units, o.intending)
	o.end(err == nil)
	return moved, err
}

// join counts the sleeper. The caller holds mu.
func (o *Operator) join() error {
	o.begin(Intent{Kind: Join})
	waiter, err := o.semaphore.Join(o.intending)
	o.end(err == nil)
	if err == nil {
		o.waiter = waiter
	}
	return err
}

// leave counts a sleeper no longer. That fails only on memory that is no semaphore any more, and so counts nobody. The caller holds
// mu.
func (o *Operator) leave(waiter *Waiter) error {
	o.begin(Intent{Kind: Leave})
	err := waiter.Leave(o.intending)
	o.end(true)
	return err
}

// lock lets the caller make changes, one at a time.
func (o *Operator) lock() {
	if o.semaphore == nil {
		o.asking.Lock()
	}
	o.mu.Lock()
}

func (o *Operator) unlock() {
	o.mu.Unlock()
	if o.semaphore == nil {
		o.asking.Unlock()
	}
}
