package main

import (
	"fmt"
	"time"
)

// shortTime writes a time of the mount's tables for people: to the second, in the time zone of who looks.
func shortTime(field string) string {
	when, err := time.Parse(time.RFC3339Nano, field)
	if err != nil {
		return field
	}
	return when.Local().Format(time.RFC3339)
}

// humanAge writes a duration in seconds in its two largest units.
func humanAge(seconds float64) string {
	whole := max(int64(seconds), 0)
	const minute, hour, day = 60, 3600, 86400
	switch {
	case whole < minute:
		return fmt.Sprintf("%ds", whole)
	case whole < hour:
		return fmt.Sprintf("%dm%02ds", whole/minute, whole%minute)
	case whole < day:
		return fmt.Sprintf("%dh%02dm", whole/hour, whole%hour/minute)
	}
	return fmt.Sprintf("%dd%02dh", whole/day, whole%day/hour)
}
