package main

import (
	"fmt"
	"slices"
	"strings"
)

// reloadOutcome is what became of a reload.
type reloadOutcome struct {
	Request string // of who asked for it; empty: a signal
	State   string // going, done or failed
	Reason  string // that it failed for
}

const (
	reloadGoing  = "going"
	reloadDone   = "done"
	reloadFailed = "failed"
)

// outcomes are those of the last reloads, the latest behind.
type outcomes []reloadOutcome

// mostOutcomes is how many are remembered, for those who asked and have not looked yet.
const mostOutcomes = 32

// note changes what is known of a reload, or adds it.
func (o *outcomes) note(outcome reloadOutcome) {
	known := slices.IndexFunc(*o, func(one reloadOutcome) bool { return one.Request == outcome.Request })
	if known >= 0 {
		*o = slices.Delete(slices.Clone(*o), known, known+1)
	}
	*o = append(slices.Clip(*o), outcome)
	*o = (*o)[max(0, len(*o)-mostOutcomes):]
}

// of returns what became of a request; the state is empty if that is not known.
func (o outcomes) of(request string) reloadOutcome {
	for _, one := range o {
		if one.Request == request {
			return one
		}
	}
	return reloadOutcome{Request: request}
}

// going says whether a reload is under way.
func (o outcomes) going() bool {
	return slices.ContainsFunc(o, func(one reloadOutcome) bool { return one.State == reloadGoing })
}

// abandon makes failures of those that are under way.
func (o *outcomes) abandon(reason string) {
	changed := slices.Clone(*o)
	for i := range changed {
		if changed[i].State == reloadGoing {
			changed[i].State, changed[i].Reason = reloadFailed, reason
		}
	}
	*o = changed
}

// text is a line each: the request in quotes, the state, and the reason in quotes.
func (o outcomes) text() string {
	var text strings.Builder
	for _, one := range o {
		fmt.Fprintf(&text, "%q %s %q\n", one.Request, one.State, one.Reason)
	}
	return text.String()
}

// parseOutcomes reads such a text, and leaves out what it does not understand.
func parseOutcomes(text string) outcomes {
	var all outcomes
	for line := range strings.Lines(text) {
		var one reloadOutcome
		if _, err := fmt.Sscanf(line, "%q %s %q\n", &one.Request, &one.State, &one.Reason); err == nil {
			all = append(all, one)
		}
	}
	return all
}
