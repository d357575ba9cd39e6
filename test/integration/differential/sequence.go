package differential

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// pair is the two sides, and one case after the other on both. Not for concurrent use.
type pair struct {
	configured Configuration
	reference  *side
	subject    *side
	ignored    map[string]bool // kinds of failure to look past; see ignoredKinds
	patience   time.Duration   // for the usage to become what it must be
	coarse     bool            // the kernel's times are too coarse to tell two calls apart

	ticking    bool // this case waits for the clock between calls, so that access times can be compared
	known      *knowledge
	transcript []string
	made       []Call
	calls      int // made in all cases
	reached    reach
	broke      error // a worker hung or died: no further case can run
}

// failed describes where the sides differ. It is an error.
type failed struct {
	call       Call
	mismatches []mismatch
	transcript []string
	made       []Call
	ticking    bool
}

// Error is short and the same for every occurrence of a fault, so that shrinking can tell faults apart.
func (f *failed) Error() string {
	return f.mismatches[0].kind(f.call)
}

// report is the whole story, for people.
func (f *failed) report() string {
	var text strings.Builder
	fmt.Fprintf(&text, "The sides differ after %d calls (the tree they start with: prepareTree).\n", len(f.transcript))
	for i, line := range f.transcript {
		fmt.Fprintf(&text, "%4d  %s\n", i+1, line)
	}
	for _, each := range f.mismatches {
		fmt.Fprintf(&text, "      DIFFERENT %s\n", each)
	}
	program, err := json.Marshal(f.made)
	if err != nil {
		program = []byte(err.Error())
	}
	fmt.Fprintf(&text, "To run exactly this again, put the next line into a file and name it in %s:\n%s\n", replayVariable, program)
	return text.String()
}

// begin starts a case.
func (p *pair) begin(ticking bool) error {
	p.ticking = ticking || p.coarse
	p.known = newKnowledge()
	p.transcript, p.made = nil, nil
	return p.both(func(s *side) error { return s.begin() })
}

// end finishes a case: everything is looked at, then removed, and the mounts must be as free as before.
func (p *pair) end() error {
	failure := p.make(Call{Operation: "look at everything"})
	if p.broke != nil {
		return p.broke
	}
	if err := p.abandon(); err != nil {
		return p.breaking(errors.Join(failure, err))
	}
	if failure != nil {
		return failure
	}
	if problem := p.subject.awaitBaseline(p.patience); problem != nil {
		return p.failure(Call{Operation: "remove everything"}, []mismatch{*problem})
	}
	return nil
}

// abandon finishes a case that failed or was broken off.
func (p *pair) abandon() error { return p.both(func(s *side) error { return s.end() }) }

// make makes one call on both sides and compares. The error is a *failed if they differ.
func (p *pair) make(c Call) error {
	c, made := adjusted(p.configured, p.known, c)
	if !made {
		return nil
	}
	if p.ticking {
		c.Watch = watchAround // looking follows symbolic links, which is an access: both sides must look alike
	}
	p.calls++
	p.made = append(p.made, c)
	if p.ticking || c.Watch == watchAround && slices.Contains(stampedByOthers, c.Operation) {
		awaitTick()
	}
	if c.Operation == "look at everything" {
		p.transcript = append(p.transcript, c.String())
		return p.failure(c, p.lookAtEverything())
	}
	watched := c
	watched.Watch = watchAround
	reference, subject, err := p.ask(c.Worker, request{Control: controlCall, Call: watched}, request{Control: controlCall, Call: c})
	if err != nil {
		p.transcript = append(p.transcript, line(c, "?"))
		return p.broken(c, err)
	}
	p.known.learn(c, reference)
	p.reached.count(c, reference.Outcome)
	found := p.compareOutcomes("result", reference.Outcome, subject.Outcome)
	for i := range found {
		found[i].inode = reference.Outcome.inode()
	}
	if c.Watch == watchAround {
		found = append(p.compareSights("before: ", reference.Before, subject.Before), found...)
		found = append(found, p.compareChanges(reference, subject)...)
	}
	if c.Watch != watchNothing {
		found = append(found, p.compareSights("after: ", reference.After, subject.After)...)
	}
	p.transcript = append(p.transcript, line(c, outcomeText(reference.Outcome)))
	return p.failure(c, found)
}

// stampedByOthers are the calls in which tmpfs stamps a directory with the time of the inode that is removed from it or
// linked into it. Fine-grained times do not cover that: the directory's time can stay as it was a moment ago.
var stampedByOthers = []string{"unlink", "rmdir", "rename", "renameat2", "link", "link descriptor"}

// refreshPaths learns which names exist.
func (p *pair) refreshPaths() error {
	answer, err := p.reference.watcher.ask(request{Control: controlNames})
	if err != nil {
		return fmt.Errorf("listing the reference's names: %w", err)
	}
	p.known.paths, p.known.regular = nil, nil
	for _, fact := range answer.Outcome.Facts {
		var path Name
		if err := path.UnmarshalText([]byte(fact.Value)); err != nil {
			return err
		}
		p.known.paths = append(p.known.paths, path)
		if fact.Key == regularKey {
			p.known.regular = append(p.known.regular, path)
		}
	}
	return nil
}

// line is the transcript's line for a call. The mark says which of Watch's values it was made with.
func line(c Call, outcome string) string {
	mark := map[Watch]string{watchAround: "", watchAfter: "  [looked at after]", watchNothing: "  [not looked at]"}[c.Watch]
	return fmt.Sprintf("worker %d (user %d): %s = %s%s", c.Worker, identities[c.Worker].user, c, outcome, mark)
}

func outcomeText(o Outcome) string {
	if o.Errno != "" {
		return "−1 " + o.Errno
	}
	return fmt.Sprint(o.Value)
}

func (p *pair) failure(c Call, found []mismatch) error {
	failures := slices.DeleteFunc(unexcused(p.configured, p.known, c, found), func(m mismatch) bool {
		return p.ignored[m.kind(c)] || p.ignored[m.kind(Call{Operation: "*"})]
	})
	if len(failures) == 0 {
		return nil
	}
	return &failed{call: c, mismatches: failures, transcript: p.transcript, made: p.made, ticking: p.ticking}
}

// broken is what becomes of a worker that hangs or died.
func (p *pair) broken(c Call, err error) error {
	story := &failed{call: c, mismatches: []mismatch{{label: "worker", field: "life", reference: "alive", subject: err.Error()}}}
	story.transcript, story.made = p.transcript, p.made
	if errors.Is(err, errHung) {
		err = errors.Join(err, p.subject.abort())
	}
	return p.breaking(fmt.Errorf("%w\n%s", err, story.report()))
}

// lookAtEverything compares the tree, and what every worker holds.
func (p *pair) lookAtEverything() []mismatch {
	reference, subject, err := p.askWatchers(request{Control: controlTree})
	if err != nil {
		_ = p.broken(Call{Operation: "look at everything"}, err)
		return []mismatch{{label: "tree", field: "description", subject: err.Error()}}
	}
	found := append(p.compareSights("tree: ", reference.After, subject.After), p.compareOutcomes("tree", reference.Outcome, subject.Outcome)...)
	if p.configured.Lazy || p.configured.Tmpfs {
		found = append(found, p.compareUsage()...)
	}
	for i := range identities {
		reference, subject, err := p.ask(i, request{Control: controlHeld}, request{Control: controlHeld})
		if err != nil {
			_ = p.broken(Call{Operation: "look at everything"}, err)
			return append(found, mismatch{label: "held", field: "description", subject: err.Error()})
		}
		label := fmt.Sprintf("held by worker %d", i)
		found = append(found, p.compareSights(label+": ", reference.After, subject.After)...)
		found = append(found, p.compareOutcomes(label, reference.Outcome, subject.Outcome)...)
	}
	return found
}

func (p *pair) askWatchers(asked request) (reference, subject response, err error) {
	return together(p.reference.watcher, p.subject.watcher, asked, asked)
}

func (p *pair) ask(worker int, ofReference, ofSubject request) (reference, subject response, err error) {
	return together(p.reference.workers[worker], p.subject.workers[worker], ofReference, ofSubject)
}

// together asks two workers at the same time.
func together(a, b *process, askedA, askedB request) (answerA, answerB response, err error) {
	var errA, errB error
	var other sync.WaitGroup
	other.Go(func() { answerB, errB = b.ask(askedB) })
	answerA, errA = a.ask(askedA)
	other.Wait()
	if errA != nil {
		errA = fmt.Errorf("on the reference side: %w", errA)
	}
	if errB != nil {
		errB = fmt.Errorf("on the subject's side: %w", errB)
	}
	return answerA, answerB, errors.Join(errA, errB)
}

func (p *pair) both(do func(*side) error) error {
	var err error
	var other sync.WaitGroup
	other.Go(func() { err = do(p.subject) })
	return errors.Join(do(p.reference), func() error { other.Wait(); return err }())
}
