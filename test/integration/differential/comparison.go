package differential

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// mismatch is one thing that the two sides do not agree on.
type mismatch struct {
	label     string // what was looked at, such as "result" or "after: path"
	field     string // which of its properties
	reference string
	subject   string
	inode     uint64 // of the object, on the reference side; 0 if none
}

func (m mismatch) String() string {
	return fmt.Sprintf("%s, %s: reference %s, subject %s", m.label, m.field, orNothing(m.reference), orNothing(m.subject))
}

// particular is what differs between fields of one kind: a name in quotes, a number.
var particular = regexp.MustCompile(`"(\\.|[^"\\])*"|[0-9]+`)

// kind names the mismatch without what changes from case to case.
func (m mismatch) kind(c Call) string {
	return fmt.Sprintf("%s: %s differs", c.Operation, particular.ReplaceAllString(m.field, "…"))
}

func orNothing(text string) string {
	if text == "" {
		return "(nothing)"
	}
	return text
}

// fieldsOf are the comparable properties of one object, in the order they are compared.
type fieldsOf []Fact

// compareOutcomes compares what a call gave.
func (p *pair) compareOutcomes(label string, reference, subject Outcome) []mismatch {
	return compareFields(label, 0, p.reference.outcomeFields(reference), p.subject.outcomeFields(subject))
}

// outcomeFields makes an outcome's facts comparable.
func (s *side) outcomeFields(o Outcome) fieldsOf {
	fields := fieldsOf{{"errno", o.Errno}, {"value", strconv.FormatInt(o.Value, 10)}}
	for _, fact := range o.Facts {
		switch {
		case strings.HasSuffix(fact.Key, identityFact):
			fact.Value = s.identityOf(fact.Value)
		case fact.Key == processFact:
			fact.Value = s.processOf(fact.Value)
		}
		fields = append(fields, fact)
	}
	return fields
}

// compareSights compares what was seen, object by object. The reference may have seen objects that nobody looked at on
// the subject's side; those are left out.
func (p *pair) compareSights(when string, reference, subject []Sight) []mismatch {
	var all []mismatch
	seen := byLabel(reference)
	for _, sight := range subject {
		counterpart, found := seen[sight.Label]
		delete(seen, sight.Label)
		if !found {
			counterpart = Sight{Label: sight.Label, Errno: "(not seen at all)"}
		}
		all = append(all, compareFields(when+sight.Label, counterpart.Inode,
			p.reference.sightFields(counterpart, p.ticking), p.subject.sightFields(sight, p.ticking))...)
	}
	for label := range seen {
		all = append(all, mismatch{label: when + label, field: "existence", reference: "seen"})
	}
	return all
}

// compareChanges compares which times the call changed, for the objects that were seen before and after on both sides.
func (p *pair) compareChanges(reference, subject response) []mismatch {
	var all []mismatch
	before, after := byLabel(reference.Before), byLabel(reference.After)
	subjectAfter := byLabel(subject.After)
	for _, sight := range subject.Before {
		later, again := subjectAfter[sight.Label]
		if !again || later.Inode != sight.Inode || sight.Errno != "" {
			continue
		}
		all = append(all, compareFields("times of "+sight.Label, before[sight.Label].Inode,
			p.changes(before[sight.Label], after[sight.Label]), p.changes(sight, later))...)
	}
	return all
}

func (p *pair) changes(before, after Sight) fieldsOf {
	fields := fieldsOf{
		{"modification time changed", fmt.Sprint(before.Modify != after.Modify)},
		{"change time changed", fmt.Sprint(before.Change != after.Change)},
		{"birth time changed", fmt.Sprint(before.Birth != after.Birth)},
	}
	if p.ticking {
		fields = append(fields, Fact{"access time changed", fmt.Sprint(before.Access != after.Access)})
	}
	return fields
}

// sightFields makes a sight comparable.
func (s *side) sightFields(sight Sight, ticking bool) fieldsOf {
	fields := fieldsOf{{"errno", sight.Errno}}
	if sight.Errno != "" {
		return fields
	}
	fields = append(fields, fieldsOf{
		{"identity", s.identityOf(strconv.FormatUint(sight.Inode, 10))},
		{"mode", fmt.Sprintf("%#o", sight.Mode)},
		{"nlink", fmt.Sprint(sight.Links)},
		{"uid", fmt.Sprint(sight.User)},
		{"gid", fmt.Sprint(sight.Group)},
		{"size", fmt.Sprint(sight.Size)},
		{"blksize", fmt.Sprint(sight.BlockSize)},
		{"blocks", fmt.Sprint(sight.Blocks)},
		{"device", sight.Device},
		{"modification time", timeText(sight.Modify)},
		{"has a birth time", fmt.Sprint(sight.Birth != unix.StatxTimestamp{})},
		{"birth ≤ change", fmt.Sprint(!later(sight.Birth, sight.Change))},
	}...)
	if ticking || !sight.isSymlink() { // see pair.make
		fields = append(fields, Fact{"access time", timeText(sight.Access)})
	}
	if timeText(sight.Modify) == recent {
		fields = append(fields, Fact{"modification ≤ change", fmt.Sprint(!later(sight.Modify, sight.Change))})
	}
	return fields
}

const recent = "recent"

// timeText is the time itself if a call set it (all such times are far from now), otherwise the word recent.
func timeText(t unix.StatxTimestamp) string {
	const far = 90 * 24 * 3600
	if distance := time.Now().Unix() - t.Sec; distance > -far && distance < far {
		return recent
	}
	return fmt.Sprintf("%d.%09d", t.Sec, t.Nsec)
}

func later(a, b unix.StatxTimestamp) bool {
	return a.Sec > b.Sec || a.Sec == b.Sec && a.Nsec > b.Nsec
}

// compareFields compares by key; a key that one side lacks is a mismatch.
func compareFields(label string, inode uint64, reference, subject fieldsOf) []mismatch {
	var all []mismatch
	values := make(map[string]string, len(subject))
	for _, fact := range subject {
		values[fact.Key] = fact.Value
	}
	for _, fact := range reference {
		if got, found := values[fact.Key]; !found || got != fact.Value {
			all = append(all, mismatch{label, fact.Key, fact.Value, got, inode})
		}
		delete(values, fact.Key)
	}
	for _, fact := range subject {
		if _, unmatched := values[fact.Key]; unmatched {
			all = append(all, mismatch{label, fact.Key, "", fact.Value, inode})
		}
	}
	return all
}

func byLabel(sights []Sight) map[string]Sight {
	index := make(map[string]Sight, len(sights))
	for _, sight := range sights {
		index[sight.Label] = sight
	}
	return index
}
