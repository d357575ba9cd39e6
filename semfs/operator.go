package semfs

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// Operator does what clients ask of one semaphore in words, and lets them wait and poll. However many wait, one goroutine, the
// sleeper, waits in the semaphore's memory for all of them; it is there only while somebody waits or polls.
//
// All methods may be called concurrently, but for Close.
type Operator struct {
	memory    Memory     // immutable
	semaphore *Semaphore // the same, where this process can wait in it, else nil; immutable
	sleepers  *Sleepers  // immutable

	// mu is held while units and what is noted of them move together, so that a report shows no unit twice. Never while sleeping,
	// and never while another process is asked.
	mu       sync.Mutex
	queue    queue                  // who waits for units; guarded by mu
	pollers  map[uint64]func()      // whom to tell when a unit is there; guarded by mu
	holding  map[*Client]struct{}   // who holds units; guarded by mu
	waiter   *Waiter                // the sleeper's, while it is counted in the memory; guarded by mu
	fewest   uint32                 // units for which the sleeper is to wake; guarded by mu
	kick     *mmapcore.Cancellation // ends the sleeper's sleep; guarded by mu
	attended bool                   // there is a sleeper, asleep or not; guarded by mu
	closed   bool                   // guarded by mu

	sleeping sync.WaitGroup // sleepers that are not quite gone
}

// NewOperator returns the operator of a semaphore that this process maps.
func NewOperator(semaphore *Semaphore, sleepers *Sleepers) *Operator {
	return newOperator(semaphore, semaphore, sleepers)
}

// NewRemoteOperator returns the operator of a semaphore that another process is asked about. Nobody can wait for it: EOPNOTSUPP.
func NewRemoteOperator(memory Memory) *Operator { return newOperator(memory, nil, nil) }

func newOperator(memory Memory, semaphore *Semaphore, sleepers *Sleepers) *Operator {
	return &Operator{
		memory: memory, semaphore: semaphore, sleepers: sleepers,
		pollers: make(map[uint64]func()), holding: make(map[*Client]struct{}),
	}
}

// Close ends every wait with ErrClosed and returns when the sleeper is gone. No other method may be called from then on. The memory
// stays the caller's.
func (o *Operator) Close() {
	o.mu.Lock()
	o.closed = true
	o.queue.tellAll(mmapcore.ErrClosed)
	clear(o.pollers)
	if o.attended {
		o.kick.Cancel()
	}
	o.mu.Unlock()
	o.sleeping.Wait()
}

// Conditions are those under which a command is done.
type Conditions struct {
	Interrupted <-chan struct{} // closed when the caller does not want to wait any more
	NonBlocking bool            // EAGAIN rather than waiting
	Process     int             // who asks: the id of a process or thread, for reports
	BeforeWait  func()          // called before the first wait; may be nil
}

// wait waits for the units of a claim that could not be had at once.
func (o *Operator) wait(wanted *claim, timeout time.Duration, conditions *Conditions) error {
	switch {
	case conditions.NonBlocking:
		return fmt.Errorf("there are not enough units: %w", unix.EAGAIN)
	case timeout <= 0:
		return fmt.Errorf("there are not enough units: %w", unix.ETIMEDOUT)
	case o.semaphore == nil:
		return fmt.Errorf("there are not enough units, and without kernel passthrough nobody can wait for them: %w", unix.EOPNOTSUPP)
	}
	if conditions.BeforeWait != nil {
		conditions.BeforeWait()
		conditions.BeforeWait = nil
	}
	wanted.granted = make(chan error, 1)
	if err := o.enqueue(wanted); err != nil {
		return err
	}
	var expired <-chan time.Time
	if timeout != mmapcore.NoTimeout {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case err := <-wanted.granted:
		return err
	case <-conditions.Interrupted:
		return o.withdraw(wanted, unix.EINTR)
	case <-expired:
		return o.withdraw(wanted, unix.ETIMEDOUT)
	}
}

func (o *Operator) enqueue(wanted *claim) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue.add(wanted)
	if err := o.attend(wanted.units); err != nil {
		o.queue.remove(wanted)
		return err
	}
	return nil
}

// withdraw ends a wait for a reason, unless the units have been granted already.
func (o *Operator) withdraw(wanted *claim, reason error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.queue.remove(wanted) {
		return <-wanted.granted
	}
	if o.queue.length() == 0 && o.attended {
		o.kick.Cancel() // nobody may be left to sleep for
	}
	return fmt.Errorf("waiting for a semaphore: %w", reason)
}

// attend sees to it that the sleeper wakes when there are as many units. The caller holds mu.
func (o *Operator) attend(units uint32) error {
	switch {
	case o.closed:
		return mmapcore.ErrClosed
	case !o.attended:
		if err := o.sleepers.begin(); err != nil {
			return err
		}
		o.attended, o.kick, o.fewest = true, mmapcore.NewCancellation(), 0
		o.sleeping.Go(o.sleep)
	case units < o.fewest:
		o.kick.Cancel()
	}
	return nil
}

// sleep is the sleeper's life.
func (o *Operator) sleep() {
	for o.round() {
	}
}

// round hands out what there is and sleeps for more; false when nobody waits or polls any more.
func (o *Operator) round() bool {
	waiter, fewest, kick, ready := o.handOut()
	for _, tell := range ready {
		tell()
	}
	if waiter == nil {
		return false
	}
	if err := waiter.Sleep(fewest, kick); err != nil && !errors.Is(err, unix.EINTR) {
		o.giveUp(err)
	}
	return true
}

// handOut grants what claims can be, and says whom to tell that a unit is there. Without a waiter the sleeper is done.
func (o *Operator) handOut() (waiter *Waiter, fewest uint32, kick *mmapcore.Cancellation, ready []func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.grant()
	if err == nil && len(o.pollers) > 0 {
		ready, err = o.tellPollers()
	}
	if err == nil && o.waiter == nil && o.wanted() != 0 {
		o.waiter, err = o.semaphore.Join()
	}
	if err != nil {
		ready = append(ready, o.failAll(err)...)
	}
	if o.fewest = o.wanted(); o.fewest == 0 {
		if o.waiter != nil {
			_ = o.waiter.Leave() // it fails only on memory that is no semaphore any more
			o.waiter = nil
		}
		o.attended = false
		o.sleepers.end()
		return nil, 0, nil, ready
	}
	o.kick = mmapcore.NewCancellation()
	return o.waiter, o.fewest, o.kick, ready
}

// wanted is the least number of units that somebody waits for; 0 when nobody does. The caller holds mu.
func (o *Operator) wanted() uint32 {
	if o.closed {
		return 0
	}
	if len(o.pollers) > 0 {
		return 1
	}
	least := uint32(0)
	for waiting := range o.queue.all {
		if least == 0 || waiting.units < least {
			least = waiting.units
		}
		if least == 1 {
			break
		}
	}
	return least
}

// grant takes units for those who wait, in their order; who wants more than there is does not hold up the others. The caller holds
// mu.
func (o *Operator) grant() error {
	tooMany := uint32(math.MaxUint32)
	for waiting := range o.queue.all {
		if waiting.units >= tooMany {
			continue
		}
		switch err := o.semaphore.Take(waiting.units); {
		case err == nil:
			if waiting.client != nil {
				waiting.client.hold(waiting.units, waiting.process)
			}
			o.queue.tell(waiting, nil)
		case errors.Is(err, unix.EAGAIN):
			tooMany = waiting.units
		default:
			return err
		}
		if tooMany == 1 {
			break
		}
	}
	return nil
}

// tellPollers returns whom to tell, if there is a unit. The caller holds mu.
func (o *Operator) tellPollers() ([]func(), error) {
	state, err := o.semaphore.validState()
	if err != nil || state.Value == 0 {
		return nil, err
	}
	return o.dropPollers(), nil
}

func (o *Operator) dropPollers() []func() {
	var told []func()
	for _, tell := range o.pollers {
		told = append(told, tell)
	}
	clear(o.pollers)
	return told
}

// failAll ends every wait with an error, and returns the pollers, who shall look for themselves. The caller holds mu.
func (o *Operator) failAll(err error) []func() {
	o.queue.tellAll(err)
	return o.dropPollers()
}

func (o *Operator) giveUp(err error) {
	o.mu.Lock()
	ready := o.failAll(err)
	o.mu.Unlock()
	for _, tell := range ready {
		tell()
	}
}

// Poll says whether a unit could be taken. If not, and unless tell is nil, tell is called once when that may have changed; a second
// poll with the same key takes the place of the first. Errors: EINVAL when the file is no semaphore, EAGAIN when clients wait for too
// many semaphores, EOPNOTSUPP where nobody can wait.
func (o *Operator) Poll(key uint64, tell func()) (readable bool, err error) {
	if o.semaphore == nil {
		return false, fmt.Errorf("polling without kernel passthrough: %w", unix.EOPNOTSUPP)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	state, err := o.semaphore.validState()
	if err != nil || state.Value > 0 || tell == nil {
		return err == nil && state.Value > 0, err
	}
	o.pollers[key] = tell
	if err := o.attend(1); err != nil {
		delete(o.pollers, key)
		return false, err
	}
	return false, nil
}

// Unpoll forgets a poller.
func (o *Operator) Unpoll(key uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, polls := o.pollers[key]; !polls {
		return
	}
	delete(o.pollers, key)
	if o.attended && o.wanted() == 0 {
		o.kick.Cancel()
	}
}
