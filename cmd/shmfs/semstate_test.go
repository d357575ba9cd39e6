package main

import (
	"reflect"
	"testing"
)

const exampleText = `value: 2
waiters: 0
state: ok
layout: glibc
initial: 3
created: 2026-11-23T04:30:16.123456789Z
held: 3
holder: pid 4711, units 1, command "bash"
holder: pid 4712, units 2, command "a \"b\", units 3\n"
stuck: no
later: unknown to this version
`

func TestParseSemaphore(t *testing.T) {
	two, three, none := 2, 3, 0
	got, err := parseSemaphore(exampleText)
	want := semaphoreState{
		Value: &two, Waiters: &none, Held: 3, Layout: "glibc", State: "ok", Initial: &three,
		Created: "2026-11-23T04:30:16.123456789Z", Stuck: "no",
		Holders: []holder{{4711, 1, "bash"}, {4712, 2, "a \"b\", units 3\n"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestParseInvalidSemaphore(t *testing.T) {
	got, err := parseSemaphore("value: -\nwaiters: -\nstate: invalid: it has 7 bytes\nlayout: -\ninitial: unknown\nheld: 0\n")
	want := semaphoreState{State: "invalid: it has 7 bytes", Layout: "-", Holders: []holder{}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestParseSemaphoreRefusesOtherTexts(t *testing.T) {
	for _, text := range []string{"", "\x03\x00\x00\x00", "value: 3\n", "value: many\nstate: ok\n"} {
		if got, err := parseSemaphore(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestParseHolderOfAnotherKind(t *testing.T) {
	if got := parseHolder("somebody else"); got != (holder{Command: "somebody else"}) {
		t.Errorf("got %+v", got)
	}
}
