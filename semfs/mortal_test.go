package semfs

import (
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"shmfs/mmapcore"
)

// record is what outlives the processes that operate a semaphore one after another.
type record struct {
	mu       sync.Mutex
	intent   *Intent            // made or not
	held     map[uint64]holding // by the number of the client
	progress map[uint64]int     // of requests, in bytes
	joined   bool               // a sleeper is counted
}

type holding struct {
	units  uint64
	holder Holder
}

func newRecord() *record {
	return &record{held: make(map[uint64]holding), progress: make(map[uint64]int)}
}

func (r *record) intend(intent Intent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intent = &intent
}

func (r *record) done(intent Intent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intent = nil
	if intent.Request != 0 {
		r.progress[intent.Request] = intent.Progress
	}
	switch intent.Kind {
	case Acquire:
		r.held[intent.Client] = holding{intent.Held, intent.Holder}
	case Release, Return:
		r.held[intent.Client] = holding{intent.Held, r.held[intent.Client].holder}
	case Join, Leave:
		r.joined = intent.Kind == Join
	}
}

func (r *record) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intent = nil
}

// recorded are the record's contents at a moment.
func (r *record) recorded() (intent *Intent, held map[uint64]holding, joined bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.intent, maps.Clone(r.held), r.joined
}

func (r *record) doneOf(request uint64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress[request]
}

// moment is one at which a process may die.
type moment struct {
	when when
	kind Kind // of the change; 0 when the change is abandoned
}

type when int

const (
	beforeIntending when = iota
	intended
	swapped // nobody is woken yet
	beforeDone
	done
	beforeAbandoning
	abandoned
)

// process is one that operates a semaphore and dies. What it does in the end are steps that nobody sees: its goroutines end when they come
// to the next.
type process struct {
	record   *record
	dies     func(moment) bool
	dead     atomic.Bool
	died     chan struct{} // closed when it is dead
	once     sync.Once
	memory   *Semaphore
	operator *Operator

	mu      sync.Mutex
	clients map[uint64]*Client // by number; guarded by mu

	goroutines sync.WaitGroup
}

// start begins a process which settles what is recorded, on a mapping of its own. It may die of that.
func (r *record) start(t *testing.T, region *mmapcore.Region, dies func(moment) bool) *process {
	t.Helper()
	memory, err := Open(region)
	wantNoError(t, "Open", err)
	p := &process{record: r, dies: dies, died: make(chan struct{}), memory: memory, clients: make(map[uint64]*Client)}
	p.operator = newOperator(mortalMemory{memory, p}, memory, NewSleepers(8, nil, func() {}), p)
	p.live(func() error { p.resume(t); return nil })
	return p
}

func (p *process) resume(t *testing.T) {
	intent, _, _ := p.record.recorded()
	if intent != nil {
		if _, err := p.operator.Settle(*intent); err != nil {
			t.Errorf("Settle: %v", err)
		}
	}
	_, held, joined := p.record.recorded()
	if joined {
		if err := p.operator.LeaveForDead(); err != nil {
			t.Errorf("LeaveForDead: %v", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for number, holding := range held {
		p.clients[number] = p.operator.Restore(number, holding.units, holding.holder)
	}
}

// live does something in a goroutine, and tells whether the process did not die of that or meanwhile. The outcome of one that died is seen
// by nobody.
func (p *process) live(do func() error) (lived bool, err error) {
	ended := make(chan error, 1)
	p.goroutines.Go(func() { ended <- do() })
	select {
	case err := <-ended:
		return !p.dead.Load(), err
	case <-p.died:
		return false, nil
	}
}

// client is the client with a number, which holds what it held in another process.
func (p *process) client(number uint64) *Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients[number] == nil {
		p.clients[number] = p.operator.NewClient(number)
	}
	return p.clients[number]
}

// bury ends what is left of a process, alive or dead.
func (p *process) bury(t *testing.T) {
	t.Helper()
	p.operator.Close()
	p.goroutines.Wait()
	wantNoError(t, "closing the semaphore", p.memory.Close())
}

// at is called at every moment at which the process may die.
func (p *process) at(now moment) {
	if p.dead.Load() || p.dies(now) {
		p.dead.Store(true)
		p.once.Do(func() { close(p.died) })
		runtime.Goexit()
	}
}

func (p *process) Intend(intent Intent) error {
	p.at(moment{beforeIntending, intent.Kind})
	p.record.intend(intent)
	p.at(moment{intended, intent.Kind})
	return nil
}

func (p *process) Done(intent Intent) {
	p.at(moment{beforeDone, intent.Kind})
	p.record.done(intent)
	p.at(moment{done, intent.Kind})
}

func (p *process) Abandon() {
	p.at(moment{when: beforeAbandoning})
	p.record.abandon()
	p.at(moment{when: abandoned})
}

// mortalMemory is the memory of a process that may die between a change and the waking of others.
type mortalMemory struct {
	*Semaphore
	process *process
}

func (m mortalMemory) Change(kind Kind, units uint32, intend func(stamp uint32) error) (uint32, error) {
	found, moved, err := m.stamp(kind, units, intend)
	if err != nil {
		return 0, err
	}
	m.process.at(moment{swapped, kind})
	return moved, m.wake(kind.wakes(found, moved))
}

// request is one that a client of the mount made. It comes to one process after another, until it is answered.
type request struct {
	number, client uint64
	text           string // nothing: the client is closed
}

// serve has a process do a request. It is answered unless the process died.
func (p *process) serve(r request) (answered bool, err error) {
	return p.live(func() error {
		client := p.client(r.client)
		if r.text == "" {
			return client.Close()
		}
		before := p.record.doneOf(r.number)
		if before == len(r.text) {
			return nil
		}
		_, err := client.Do([]byte(r.text[before:]), Conditions{Request: r.number, Progress: before, Process: int(r.client)})
		if before > 0 {
			return nil // it is answered by how far it got
		}
		return err
	})
}

// never is when a process dies that does not.
func never(moment) bool { return false }

// once is when a process dies at one moment.
func once(at moment) func(moment) bool { return func(now moment) bool { return now == at } }

// changeAsLibc moves a unit as libc does, which swaps the words and knows nothing of stamps.
func (s *Semaphore) changeAsLibc(kind Kind) error {
	next := func(layout Layout, found words) (words, error) {
		after, _, err := kind.next(layout, found, 1)
		return after, err
	}
	found, err := s.change("changing as libc", next, func(found content, replacement words) (bool, error) {
		return s.mapping.CompareAndSwap64(wordsOffset, uint64(found.words), uint64(replacement))
	})
	if err != nil {
		return err
	}
	return s.wake(kind.wakes(found, 1))
}
