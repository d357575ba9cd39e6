package fs

import (
	"errors"
	"math"
	"math/bits"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Everything that is wrong with a number, in the words that follow the option in the message.
var (
	errNegative = errors.New("it cannot be negative")
	errFraction = errors.New("fractions are not taken: write a whole number of a smaller unit, 1536M for one and a half G")
	errOverflow = errors.New("it is beyond the largest number there is, " + strconv.FormatInt(math.MaxInt64, 10))
	errNoNumber = errors.New("it must be a whole number, with K, M, G or T behind it for a unit")
)

var (
	hugeNames        = []string{"never", "always", "within_size", "advise"}
	commitNames      = []string{Strict.String(), Lazy.String()}
	passthroughNames = []string{"auto", "off"}
)

func parseSize(o *Options, value string) error {
	size, err := parseBytes(value)
	return setOption(&o.Size, size, "size", value, err)
}

func parseInodes(o *Options, value string) error {
	inodes, err := parseCount(value)
	return setOption(&o.Inodes, inodes, "nr_inodes", value, err)
}

func parseQuotaBytes(o *Options, value string) error {
	size, err := parseBytes(value)
	return setOption(&o.QuotaBytes, size, "quota-uid", value, err)
}

func parseQuotaObjects(o *Options, value string) error {
	objects, err := parseCount(value)
	return setOption(&o.QuotaObjects, objects, "quota-objects", value, err)
}

// parseBytes reads a size, or a percentage of physical memory.
func parseBytes(text string) (int64, error) {
	if number, percent := strings.CutSuffix(text, "%"); percent {
		return parseShare(number)
	}
	return parseNumber(text)
}

// parseCount reads a number of inodes. tmpfs accounts every inode as 1 KiB and takes no count that would overflow in bytes.
func parseCount(text string) (int64, error) {
	count, err := parseNumber(text)
	if err == nil && count > math.MaxInt64>>10 {
		err = errOverflow
	}
	return count, err
}

// parseLimit returns what reads a limit of one user's.
func parseLimit(name string, field func(*Options) *int64) func(*Options, string) error {
	return func(o *Options, value string) error {
		most, err := parseNumber(value)
		return setOption(field(o), most, name, value, err)
	}
}

// parseNumber reads a whole number with an optional binary unit, in upper or lower case.
func parseNumber(text string) (int64, error) {
	digits, shift := text, 0
	if unit := strings.IndexByte("KMGT", lastLetter(text)); text != "" && unit >= 0 {
		digits, shift = text[:len(text)-1], 10*(unit+1)
	}
	number, err := parseDigits(digits)
	if err != nil {
		return 0, err
	}
	if number > math.MaxInt64>>shift {
		return 0, errOverflow
	}
	return int64(number) << shift, nil
}

// parseShare reads a percentage of physical memory.
func parseShare(digits string) (int64, error) {
	percent, err := parseDigits(digits)
	if err != nil {
		return 0, err
	}
	high, low := bits.Mul64(percent, physicalMemory())
	if high >= 100 {
		return 0, errOverflow
	}
	size, _ := bits.Div64(high, low, 100)
	if size > math.MaxInt64 {
		return 0, errOverflow
	}
	return int64(size), nil
}

func parseDigits(text string) (uint64, error) {
	if strings.HasPrefix(text, "-") {
		return 0, errNegative
	}
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return 0, errNoNumber
	}
	if strings.Contains(text, ".") {
		return 0, errFraction
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errOverflow
	}
	return number, nil
}

// lastLetter returns the last byte of a text as a capital letter, 0 for none.
func lastLetter(text string) byte {
	if text == "" {
		return 0
	}
	last := text[len(text)-1]
	if 'a' <= last && last <= 'z' {
		last -= 'a' - 'A'
	}
	return last
}

func parseMode(o *Options, value string) error {
	mode, err := strconv.ParseUint(value, 8, 32)
	if err != nil || mode > 0o7777 {
		err = errors.New("it must be permission bits in octal, 0 to 7777")
	}
	return setOption(&o.Mode, uint32(mode), "mode", value, err)
}

func parseUID(o *Options, value string) error {
	id, err := parseID(value, "user", func() (string, error) {
		found, err := user.Lookup(value)
		if err != nil {
			return "", err
		}
		return found.Uid, nil
	})
	return setOption(&o.UID, id, "uid", value, err)
}

func parseGID(o *Options, value string) error {
	id, err := parseID(value, "group", func() (string, error) {
		found, err := user.LookupGroup(value)
		if err != nil {
			return "", err
		}
		return found.Gid, nil
	})
	return setOption(&o.GID, id, "gid", value, err)
}

// parseID reads a number, or a name that lookup knows. The number of all ones means "no one" to the kernel and is refused.
func parseID(value, kind string, lookup func() (string, error)) (uint32, error) {
	if strings.HasPrefix(value, "-") {
		return 0, errNegative
	}
	if strings.Trim(value, "0123456789") != "" {
		number, err := lookup()
		if err != nil {
			return 0, errors.New("there is no such " + kind + ": give the name of one or a number")
		}
		value = number
	}
	id, err := strconv.ParseUint(value, 10, 32)
	if err != nil || id == math.MaxUint32 {
		return 0, errors.New("it must be at most " + strconv.Itoa(math.MaxUint32-1))
	}
	return uint32(id), nil
}

func parseHuge(o *Options, value string) error {
	return setOption(&o.Huge, value, "huge", value, requireOneOf(value, "huge", hugeNames))
}

func parseCommit(o *Options, value string) error {
	return setOption(&o.Commit, Commit(slices.Index(commitNames, value)), "commit", value, requireOneOf(value, "commit", commitNames))
}

func parsePassthrough(o *Options, value string) error {
	return setOption(&o.Passthrough, value == "auto", "passthrough", value, requireOneOf(value, "passthrough", passthroughNames))
}

// requireOneOf returns an error unless the value is one of the names.
func requireOneOf(value, name string, names []string) error {
	if slices.Contains(names, value) {
		return nil
	}
	return &OptionError{Option: name, Value: value, Problem: "it must be one of " + strings.Join(names, ", "),
		Nearest: nearestName(value, names)}
}

func parseStore(o *Options, value string) error {
	path, err := value, error(nil)
	switch {
	case strings.ContainsRune(value, 0):
		err = errors.New("a path holds no zero byte")
	case value != StoreTmpfs && !filepath.IsAbs(value):
		path, err = fromWorkingDirectory(value)
	}
	return setOption(&o.Store, path, "store", value, err)
}

// fromWorkingDirectory makes a path absolute without cleaning it: "link/.." is not always the directory of the link.
func fromWorkingDirectory(path string) (string, error) {
	directory, err := os.Getwd()
	if err != nil {
		return "", errors.New("the working directory it starts from cannot be found: give an absolute path")
	}
	return directory + "/" + path, nil
}

func parseFSName(o *Options, value string) error {
	var err error
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		err = errors.New("control characters would garble the mount table")
	}
	return setOption(&o.FSName, value, "fsname", value, err)
}

// setOption stores a parsed value, or says of which option it is no value.
func setOption[T any](field *T, parsed T, name, value string, err error) error {
	var told *OptionError
	if errors.As(err, &told) {
		return told
	}
	if err != nil {
		return &OptionError{Option: name, Value: value, Problem: err.Error()}
	}
	*field = parsed
	return nil
}
