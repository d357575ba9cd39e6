package top

import (
	"fmt"
	"math"
	"time"
)

const unknown = "-"

// sizeText is a number of bytes in five cells at most: 17, 4.0K, 512M. Negative numbers have a sign before that.
func sizeText(bytes int64) string {
	if bytes < 0 {
		return "-" + sizeText(-max(bytes, -math.MaxInt64))
	}
	if bytes < 1000 {
		return fmt.Sprint(bytes)
	}
	value := float64(bytes)
	for _, unit := range "KMGTPE" {
		value /= 1024
		switch {
		case value < 99.95:
			return fmt.Sprintf("%.1f%c", value, unit)
		case value < 999.5:
			return fmt.Sprintf("%.0f%c", value, unit)
		}
	}
	return fmt.Sprint(bytes) // never reached: 2^63 is 8 E
}

// spanText is how long something lasts: 3d 04:05:06, or 04:05:06.
func spanText(span time.Duration) string {
	seconds := int64(span / time.Second)
	clock := fmt.Sprintf("%02d:%02d:%02d", seconds/3600%24, seconds/60%60, seconds%60)
	if days := seconds / (24 * 3600); days > 0 {
		return fmt.Sprintf("%dd %s", days, clock)
	}
	return clock
}

// timeText is a time to the second, in UTC; a dash where there is none.
func timeText(when time.Time) string {
	if when.IsZero() {
		return unknown
	}
	return when.UTC().Format("2006-01-02T15:04:05Z")
}

// percent is a part of a whole; 0 where there is no whole.
func percent(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}
