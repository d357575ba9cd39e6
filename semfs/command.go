package semfs

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// command is one line of text that operates a semaphore.
type command struct {
	kind    Kind
	units   uint32        // or the value to set
	patient bool          // waits for units that are not there
	timeout time.Duration // at most that long; mmapcore.NoTimeout: as long as it takes
	end     int           // of the line, in bytes from where the text begins
}

// longestTimeout bounds what timedwait takes, in seconds: some 30 years, which fit into a time.Duration with room to spare.
const longestTimeout = 1e9

// grammar says of each command what may follow it. A pattern's words stand for: S seconds, N units, [N] units or 1, V a value.
var grammar = []struct {
	name, operands string
	command        command
}{
	{"post", "[N]", command{kind: Post}},
	{"wait", "", command{kind: Take, patient: true}},
	{"trywait", "", command{kind: Take}},
	{"timedwait", "S", command{kind: Take, patient: true}},
	{"set", "V", command{kind: Set}},
	{"acquire", "[N]", command{kind: Acquire, patient: true}},
	{"timedacquire", "S [N]", command{kind: Acquire, patient: true}},
	{"release", "[N]", command{kind: Release}},
}

// cutLine returns the first line of a text without its end, and the length of the line with it.
func cutLine(text []byte) (line []byte, length int) {
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		return text[:end], end + 1
	}
	return text, len(text)
}

// parseCommand reads one line; found is false for an empty one. Error: EINVAL, saying what is wrong.
func parseCommand(line []byte) (parsed command, found bool, err error) {
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return command{}, false, nil
	}
	for _, entry := range grammar {
		if entry.name != words[0] {
			continue
		}
		parsed = entry.command
		parsed.units, parsed.timeout = 1, mmapcore.NoTimeout
		err = parsed.parseOperands(words[0], words[1:], strings.Fields(entry.operands))
		return parsed, true, err
	}
	hint := ""
	if _, err := parseUnits(words[0], 0); err == nil {
		hint = ": a number alone creates a semaphore; set N sets the value"
	}
	return command{}, true, fmt.Errorf("unknown command %s%s: %w", quoteWord(words[0]), hint, unix.EINVAL)
}

func (c *command) parseOperands(name string, given, wanted []string) error {
	for i, kind := range wanted {
		if i >= len(given) {
			if kind == "[N]" {
				break
			}
			return fmt.Errorf("%s needs a number: %w", name, unix.EINVAL)
		}
		if err := c.parseOperand(kind, given[i]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(given) > len(wanted) {
		return fmt.Errorf("%s: %s is too much: %w", name, quoteWord(given[len(wanted)]), unix.EINVAL)
	}
	return nil
}

func (c *command) parseOperand(kind, word string) (err error) {
	switch kind {
	case "S":
		c.timeout, err = parseSeconds(word)
	case "V":
		c.units, err = parseUnits(word, 0)
	default:
		c.units, err = parseUnits(word, 1)
	}
	return err
}

// parseUnits reads a decimal number of at least least and at most MaxValue.
func parseUnits(word string, least uint32) (uint32, error) {
	units, err := strconv.ParseUint(word, 10, 32)
	if err != nil || units < uint64(least) || units > MaxValue {
		return 0, fmt.Errorf("%s is no number from %d to %d: %w", quoteWord(word), least, uint32(MaxValue), unix.EINVAL)
	}
	return uint32(units), nil
}

// parseSeconds reads a decimal number with or without a fraction.
func parseSeconds(word string) (time.Duration, error) {
	seconds, err := strconv.ParseFloat(word, 64)
	plain := strings.Trim(word, "0123456789.") == ""
	if err != nil || !plain || math.IsNaN(seconds) || seconds > longestTimeout {
		return 0, fmt.Errorf("%s is no number of seconds up to %g: %w", quoteWord(word), float64(longestTimeout), unix.EINVAL)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// quoteWord shows a client's bytes in a message: escaped, and cut where they are long.
func quoteWord(word string) string {
	const most = 40
	if len(word) > most {
		return strconv.Quote(word[:most]) + "..."
	}
	return strconv.Quote(word)
}

// ParseInitial reads the first line of a text that creates a semaphore: its value, in decimal. It returns the length of the line
// with its end. Error: EINVAL.
func ParseInitial(text []byte) (value uint32, length int, err error) {
	line, length := cutLine(text)
	value, err = parseUnits(strings.TrimSpace(string(line)), 0)
	if err != nil {
		return 0, 0, fmt.Errorf("a new semaphore is made by its value, a number: %w", err)
	}
	return value, length, nil
}
