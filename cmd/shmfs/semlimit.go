package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

// timeLimit is how long a command may wait: a flag that may be missing. It implements pflag.Value.
type timeLimit struct {
	given    bool
	duration time.Duration // never negative
}

var plainSeconds = regexp.MustCompile(`^(\d+\.?\d*|\.\d+)$`)

// Set reads a duration as Go writes it, or a plain number of seconds.
func (l *timeLimit) Set(text string) error {
	duration, err := parseLimit(text)
	if err != nil {
		return err
	}
	l.given, l.duration = true, duration
	return nil
}

func parseLimit(text string) (time.Duration, error) {
	if plainSeconds.MatchString(text) {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || seconds >= math.MaxInt64/float64(time.Second) {
			return 0, errors.New("that is too long")
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("give seconds (2.5), or a duration such as 300ms or 1m30s")
	}
	if duration < 0 {
		return 0, errors.New("it cannot be negative")
	}
	return duration, nil
}

func (l *timeLimit) String() string {
	if !l.given {
		return ""
	}
	return l.duration.String()
}

// Type names the argument in help texts.
func (l *timeLimit) Type() string { return "duration" }

// secondsOf writes a duration as the semaphores' commands take it.
func secondsOf(duration time.Duration) string {
	duration = max(duration, 0)
	return fmt.Sprintf("%d.%09d", duration/time.Second, duration%time.Second)
}
