package meter

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Snapshot is what was counted up to a moment. Requests that end while it is taken may be in one figure and not yet in another.
type Snapshot struct {
	Total    uint64 // of all kinds
	Underway int64
	Kinds    []KindSnapshot // that there were requests of, by name
}

// KindSnapshot is what was counted of one kind.
type KindSnapshot struct {
	Kind               Kind
	Count              uint64
	Sum                time.Duration
	P50, P90, P99, Max time.Duration // within 7 %; Max is exact
	Errors             []ErrorCount  // that there were, by name
	took               *counted
}

// ErrorCount is how often a kind of request was answered with an error.
type ErrorCount struct {
	Name  string // ENOENT, …; "other" for what is no error of Linux
	Count uint64
}

// Snapshot returns what was counted so far.
func (m *Meter) Snapshot() Snapshot {
	s := Snapshot{Underway: m.underway.Load()}
	for kind := range m.kinds {
		if one := m.kinds[kind].snapshot(Kind(kind)); one.Count > 0 {
			s.Total += one.Count
			s.Kinds = append(s.Kinds, one)
		}
	}
	slices.SortFunc(s.Kinds, func(a, b KindSnapshot) int { return cmp.Compare(a.Kind.String(), b.Kind.String()) })
	return s
}

func (p *perKind) snapshot(kind Kind) KindSnapshot {
	took := p.took.load()
	one := KindSnapshot{
		Kind: kind, Count: took.total, Sum: took.sum, took: took,
		P50: took.quantile(0.5), P90: took.quantile(0.9), P99: took.quantile(0.99), Max: took.most,
	}
	other := uint64(0)
	for errno := range p.errors {
		count := p.errors[errno].Load()
		switch name := errnoName(errno); {
		case count == 0:
		case name == otherErrno:
			other += count
		default:
			one.Errors = append(one.Errors, ErrorCount{Name: name, Count: count})
		}
	}
	if other > 0 {
		one.Errors = append(one.Errors, ErrorCount{Name: otherErrno, Count: other})
	}
	slices.SortFunc(one.Errors, func(a, b ErrorCount) int { return cmp.Compare(a.Name, b.Name) })
	return one
}

// AppendTo appends the figures, "key: value" each on a line.
func (s *Snapshot) AppendTo(text []byte) []byte {
	text = appendCount(text, s.Total, "requests")
	for _, one := range s.Kinds {
		text = appendCount(text, one.Count, "requests-", one.Kind.String())
	}
	for _, one := range s.Kinds {
		for _, failed := range one.Errors {
			text = appendCount(text, failed.Count, "errors-", one.Kind.String(), "-", failed.Name)
		}
	}
	for _, one := range s.Kinds {
		text = appendLatency(text, one.Kind, "p50", one.P50)
		text = appendLatency(text, one.Kind, "p90", one.P90)
		text = appendLatency(text, one.Kind, "p99", one.P99)
		text = appendLatency(text, one.Kind, "max", one.Max)
	}
	return text
}

func appendCount(text []byte, count uint64, key ...string) []byte {
	for _, part := range key {
		text = append(text, part...)
	}
	text = strconv.AppendUint(append(text, ": "...), count, 10)
	return append(text, '\n')
}

func appendLatency(text []byte, kind Kind, which string, latency time.Duration) []byte {
	for _, part := range []string{"latency-", kind.String(), "-", which, "-seconds: "} {
		text = append(text, part...)
	}
	text = strconv.AppendFloat(text, latency.Seconds(), 'f', -1, 64)
	return append(text, '\n')
}
