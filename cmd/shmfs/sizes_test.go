package main

import (
	"math"
	"testing"
)

func TestHumanSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0", 1: "1", 1023: "1023", 1024: "1K", 1536: "1.5K", 10189: "10K", 10700: "10K", 1023 << 10: "1023K", 1<<20 - 1: "1M",
		5 << 20: "5M", 1 << 30: "1G", 1<<40 + 1<<39: "1.5T", math.MaxInt64: "8E", -5: "-5",
	} {
		if got := humanSize(bytes); got != want {
			t.Errorf("%d is %s, want %s", bytes, got, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "17": 17, "4k": 4096, "4K": 4096, "3M": 3 << 20, "2g": 2 << 30, "1T": 1 << 40, "0x10": 16, "0XFf": 255,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "K", "-1", "+1", "1.5M", "1KB", "0x", "0xg", "1 K", "9223372036854775808", "8E", "1_000", "é"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func TestHumanAge(t *testing.T) {
	for seconds, want := range map[float64]string{
		-3: "0s", 0.9: "0s", 59: "59s", 60: "1m00s", 3599: "59m59s", 3600: "1h00m", 86399: "23h59m", 90000: "1d01h", 8640000: "100d00h",
	} {
		if got := humanAge(seconds); got != want {
			t.Errorf("%v is %s, want %s", seconds, got, want)
		}
	}
}
