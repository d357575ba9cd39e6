package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

const sizeUnits = "KMGTPE"

// humanSize writes bytes for people: in the largest binary unit of which there is one, with one decimal below ten, if it says more.
func humanSize(bytes int64) string {
	if bytes < 0 {
		return strconv.FormatInt(bytes, 10)
	}
	if bytes < 1024 {
		return strconv.FormatInt(bytes, 10)
	}
	unit, amount := -1, float64(bytes)
	for amount >= 1024 || rounded(amount) >= 1024 {
		amount /= 1024
		unit++
	}
	return strconv.FormatFloat(rounded(amount), 'f', -1, 64) + sizeUnits[unit:unit+1]
}

// rounded keeps one decimal below ten and none above.
func rounded(amount float64) float64 {
	if tenths := math.Round(amount*10) / 10; tenths < 10 {
		return tenths
	}
	return math.Round(amount)
}

var (
	errNoSize   = errors.New("give bytes, with K, M, G or T behind for a unit, or in hexadecimal behind 0x")
	errSizeHuge = errors.New("that is beyond the largest size there is")
)

// parseSize reads a number of bytes, decimal with a binary unit that may be missing, or hexadecimal.
func parseSize(text string) (int64, error) {
	digits, base, shift := text, 10, 0
	if hexadecimal, found := strings.CutPrefix(strings.ToLower(text), "0x"); found {
		digits, base = hexadecimal, 16
	} else if text != "" {
		if unit := strings.IndexByte(sizeUnits, text[len(text)-1]&^0x20); unit >= 0 {
			digits, shift = text[:len(text)-1], 10*(unit+1)
		}
	}
	if strings.ContainsAny(digits, "+-_") {
		return 0, errNoSize
	}
	number, err := strconv.ParseUint(digits, base, 63)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errSizeHuge
	case err != nil:
		return 0, errNoSize
	case number > math.MaxInt64>>shift:
		return 0, errSizeHuge
	}
	return int64(number) << shift, nil
}

// byteCount is a number of bytes: a flag that may be missing. It implements pflag.Value.
type byteCount struct {
	given bool
	bytes int64 // never negative
}

func (c *byteCount) Set(text string) (err error) {
	c.bytes, err = parseSize(text)
	c.given = err == nil
	return err
}

func (c *byteCount) String() string {
	if !c.given {
		return ""
	}
	return strconv.FormatInt(c.bytes, 10)
}

// Type names the argument in help texts.
func (c *byteCount) Type() string { return "size" }
