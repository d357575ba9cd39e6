package main

import (
	"testing"
	"time"
)

// Few deaths at once cost no delay, more of them ever longer ones, and it is never given up, nor tried more than once a second.
func TestDelayAfterDeaths(t *testing.T) {
	for deaths, want := range map[int]time.Duration{
		0: 0, 1: 0, freeDeaths: 0, freeDeaths + 1: 10 * time.Millisecond, freeDeaths + 2: 20 * time.Millisecond,
		freeDeaths + 7: 640 * time.Millisecond, freeDeaths + 8: time.Second, freeDeaths + 100: time.Second, 1 << 40: time.Second,
	} {
		if got := delayAfter(deaths); got != want {
			t.Errorf("after %d deaths the delay is %v, want %v", deaths, got, want)
		}
	}
}
