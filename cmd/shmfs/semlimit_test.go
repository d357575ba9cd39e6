package main

import (
	"testing"
	"time"
)

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "2": 2 * time.Second, "2.5": 2500 * time.Millisecond, ".25": 250 * time.Millisecond, "3.": 3 * time.Second,
		"300ms": 300 * time.Millisecond, "1m30s": 90 * time.Second, "1e3s": -1, "-1": -1, "-1s": -1, "": -1, "inf": -1, "NaN": -1,
		"0x10": -1, "1_000": -1, "soon": -1, "99999999999": -1, "1e400": -1,
	} {
		got, err := parseLimit(text)
		if want < 0 {
			if err == nil {
				t.Errorf("%q is taken for %v", text, got)
			}
			continue
		}
		if got != want || err != nil {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestSecondsOf(t *testing.T) {
	for duration, want := range map[time.Duration]string{
		0: "0.000000000", -time.Second: "0.000000000", 1500 * time.Millisecond: "1.500000000", time.Hour + 1: "3600.000000001",
	} {
		if got := secondsOf(duration); got != want {
			t.Errorf("%v is written %s, want %s", duration, got, want)
		}
	}
}
