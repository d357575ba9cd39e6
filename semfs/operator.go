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
	memory    Memory                   // immutable
	semaphore *Semaphore               // the same, where this process can wait in it, else nil; immutable
	sleepers  *Sleepers                // immutable
	recorder  Recorder                 // nil if nothing outlives the process; immutable
	intending func(stamp uint32) error // intend, or nil without a recorder; immutable

	asking sync.Mutex // held while another process makes a change, so that there is one at a time; taken before mu

	intent   Intent // being made; guarded by mu, or by asking where another process is asked
	intended bool   // the recorder was told; guarded as intent

	// mu is held while this process makes a change, and while units and what is noted of them move together, so that a report shows no unit
	// twice. Never while sleeping, and never while another process is asked.
	mu       sync.Mutex
	present  *attendance            // users who wait or poll; guarded by mu
	queue    queue                  // who waits for units; guarded by mu
	pollers  pollers                // whom to tell when a unit comes; guarded by mu
	holding  map[*Client]struct{}   // who holds units; guarded by mu
	waiter   *Waiter                // the sleeper's, while it is counted in the memory; guarded by mu
	fewest   uint32                 // units for which the sleeper is to wake; guarded by mu
	settled  chan struct{}          // closed when the sleeper sleeps next; nil while it does; guarded by mu
	kick     *mmapcore.Cancellation // ends the sleeper's sleep; guarded by mu
	attended bool                   // there is a sleeper, asleep or not; guarded by mu
	closed   bool                   // guarded by mu

	sleeping sync.WaitGroup // sleepers that are not quite gone
}

// NewOperator returns the operator of a semaphore that this process maps. Nobody else may change the semaphore by a Memory as long as
// it does; recorder is told of its changes, and may be nil.
func NewOperator(semaphore *Semaphore, sleepers *Sleepers, recorder Recorder) *Operator {
	return newOperator(semaphore, semaphore, sleepers, recorder)
}

// NewRemoteOperator returns the operator of a semaphore that another process is asked about. Nobody can wait for it: EOPNOTSUPP.
func NewRemoteOperator(memory Memory, recorder Recorder) *Operator {
	return newOperator(memory, nil, nil, recorder)
}

func newOperator(memory Memory, semaphore *Semaphore, sleepers *Sleepers, recorder Recorder) *Operator {
	o := &Operator{
		memory: memory, semaphore: semaphore, sleepers: sleepers, recorder: recorder, holding: make(map[*Client]struct{}),
	}
	if sleepers != nil {
		o.present = newAttendance(sleepers.share)
		o.queue.depart = o.present.depart
		o.pollers = pollers{byKey: make(map[uint64]poller), depart: o.present.depart}
	}
	if recorder != nil {
		o.intending = o.intend
	}
	return o
}

// Close ends every wait with ErrClosed and returns when the sleeper is gone. No other method may be called from then on. The memory
// stays the caller's.
func (o *Operator) Close() {
	o.mu.Lock()
	o.closed = true
	o.queue.tellAll(mmapcore.ErrClosed)
	o.pollers.clear()
	if o.attended {
		o.kick.Cancel()
	}
	o.mu.Unlock()
	o.sleeping.Wait()
}

// Conditions are those under which a command is done.
type Conditions struct {
	Interrupted <-chan struct{}          // closed when the caller does not want to wait any more
	NonBlocking bool                     // EAGAIN rather than waiting
	Request     uint64                   // number of the caller's request, for the recorder; 0: none
	Progress    int                      // bytes of the request's text that were done with before
	Process     int                      // who asks: the id of a process or thread, for reports
	User        uint32                   // whose share of the semaphores to wait in is taken
	Describe    func(process int) Holder // says more of it when it acquires units; may be nil
	Did         func(moved Moved)        // called after each command that posted or took units; may be nil
	BeforeWait  func() error             // called before the first wait, which does not begin if it fails; may be nil
}

// Moved is what a command has done.
type Moved struct {
	Posted   bool   // else taken
	Units    uint32 // at least 1
	Progress int    // bytes of the request's text that are done with (see Conditions)

	operator *Operator
}

// Value is how many units there are now: after the command, and after what others have done meanwhile. It is not known of a
// semaphore that another process would have to be asked about, nor of a file that is none any more.
func (m *Moved) Value() (value uint32, known bool) {
	if m.operator.semaphore == nil {
		return 0, false
	}
	state, err := m.operator.semaphore.validState()
	return state.Value, err == nil
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
		if err := conditions.BeforeWait(); err != nil {
			return err
		}
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
	if err := o.present.arrive(wanted.user); err != nil {
		return err
	}
	o.queue.add(wanted)
	if err := o.attend(wanted.intent.Units); err != nil {
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
		o.attended, o.kick, o.fewest, o.settled = true, mmapcore.NewCancellation(), 0, make(chan struct{})
		o.sleeping.Go(o.sleep)
	case units < o.fewest:
		o.kick.Cancel()
	}
	return nil
}

// sleep is the sleeper's life: it hands out what there is and sleeps for more, until nobody waits or polls.
func (o *Operator) sleep() {
	changed := false
	for {
		o.sleepers.awake()
		waiter, fewest, kick, ready := o.handOut(changed)
		for _, tell := range ready {
			tell()
		}
		if waiter == nil {
			return
		}
		var err error
		changed, err = waiter.Sleep(fewest, kick, o.settle)
		if err != nil && !errors.Is(err, unix.EINTR) {
			o.giveUp(err)
		}
	}
}

// settle tells who waits for it that the sleeper sleeps from now on: a post will wake it.
func (o *Operator) settle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.settled)
	o.settled = nil
}

// handOut grants what claims can be, and says whom to tell that a unit is there, or another if the memory has changed. Without a waiter
// the sleeper is done.
func (o *Operator) handOut(changed bool) (waiter *Waiter, fewest uint32, kick *mmapcore.Cancellation, ready []func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.settled == nil {
		o.settled = make(chan struct{})
	}
	err := o.grant()
	if err == nil && o.pollers.length() > 0 {
		ready, err = o.tellPollers(changed)
	}
	if err == nil && o.waiter == nil && o.wanted() != 0 {
		err = o.join()
	}
	if err != nil {
		ready = append(ready, o.failAll(err)...)
	}
	if o.fewest = o.wanted(); o.fewest == 0 {
		if o.waiter != nil {
			_ = o.leave(o.waiter) // it fails only on memory that is no semaphore any more
			o.waiter = nil
		}
		o.attended = false
		close(o.settled)
		o.settled = nil
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
	least := o.pollers.wanted()
	for waiting := range o.queue.all {
		if least == 0 || waiting.intent.Units < least {
			least = waiting.intent.Units
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
		if waiting.intent.Units >= tooMany {
			continue
		}
		switch _, err := waiting.client.move(waiting.intent); {
		case err == nil:
			o.queue.tell(waiting, nil)
		case errors.Is(err, unix.EAGAIN):
			tooMany = waiting.intent.Units
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
func (o *Operator) tellPollers(changed bool) ([]func(), error) {
	state, err := o.semaphore.validState()
	if err != nil {
		return nil, err
	}
	if state.Value == 0 {
		o.pollers.knowOfNone()
		return nil, nil
	}
	return o.pollers.take(changed), nil
}

// failAll ends every wait with an error, and returns the pollers, who shall look for themselves. The caller holds mu.
func (o *Operator) failAll(err error) []func() {
	o.queue.tellAll(err)
	return o.pollers.take(true)
}

func (o *Operator) giveUp(err error) {
	o.mu.Lock()
	ready := o.failAll(err)
	o.mu.Unlock()
	for _, tell := range ready {
		tell()
	}
}

// Poll says whether a unit could be taken. Unless tell is nil, tell is called once when that may have changed, and if there is a unit
// already when another comes; a second poll with the same key takes the place of the first. Errors: EINVAL when the file is no semaphore,
// EAGAIN when clients, or those of this user, wait for too many semaphores, EOPNOTSUPP where nobody can wait.
func (o *Operator) Poll(user uint32, key uint64, tell func()) (readable bool, err error) {
	if o.semaphore == nil {
		return false, fmt.Errorf("polling without kernel passthrough: %w", unix.EOPNOTSUPP)
	}
	readable, settled, err := o.poll(user, key, tell)
	if settled != nil && readable {
		// Who is told of this unit may take it at once, and must be told of one that comes right then: it will look the same.
		<-settled
	}
	return readable, err
}

// poll returns besides what is closed when the sleeper sleeps; nil if it does already.
func (o *Operator) poll(user uint32, key uint64, tell func()) (readable bool, settled <-chan struct{}, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	state, err := o.semaphore.validState()
	if readable = err == nil && state.Value > 0; err != nil || tell == nil {
		return readable, nil, err
	}
	if err := o.present.arrive(user); err != nil {
		return readable, nil, err
	}
	o.pollers.put(key, poller{user: user, tell: tell, another: readable})
	if err := o.attend(o.pollers.wanted()); err != nil {
		o.pollers.remove(key)
		return readable, nil, err
	}
	return readable, o.settled, nil
}

// Look has who waits and polls look at the memory again: the file may have become no semaphore, of which nobody is woken.
func (o *Operator) Look() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.attended {
		o.kick.Cancel()
	}
}

// Unpoll forgets a poller.
func (o *Operator) Unpoll(key uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pollers.remove(key) && o.attended && o.wanted() == 0 {
		o.kick.Cancel()
	}
}
