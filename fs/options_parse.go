package fs

import (
	"strings"
)

// ParseOptions reads a list such as "size=1G,commit=lazy" on top of DefaultOptions. Options are separated by commas; in a
// value `\,` is a comma and `\\` a backslash. Of an option named twice the last one counts, as in mount(8), whose general
// options are understood too. A relative store= is taken from the working directory. Every error is an *OptionError.
func ParseOptions(text string) (Options, error) {
	options := DefaultOptions()
	named := map[string]bool{}
	for _, word := range splitOptions(text) {
		if word == remountWord {
			return Options{}, &OptionError{Option: word, Problem: "it changes a mount that exists and cannot make a new one"}
		}
		known, err := apply(word, &options)
		if err != nil {
			return Options{}, err
		}
		named[known.name] = true
	}
	if err := options.contradiction(named); err != nil {
		return Options{}, err
	}
	if options.Store != StoreTmpfs {
		options.leaveToDirectory(named)
	}
	return options, nil
}

// ParseRemount reads changes to a live mount on top of the options in force. What is not named stays as it is. Only size,
// nr_inodes, quota-uid, quota-objects, huge, the limits of one user, ro/rw and exec/noexec can change; another option may be named with the value that it has. The word
// "remount" itself may stand in the list. Every error is an *OptionError.
func ParseRemount(text string, current Options) (Options, error) {
	options := current
	words := splitOptions(text)
	named := map[string]bool{}
	for _, word := range words {
		if word == remountWord {
			continue
		}
		known, err := apply(word, &options)
		if err != nil {
			return Options{}, err
		}
		named[known.name] = true
	}
	if err := current.contradiction(named); err != nil {
		return Options{}, err
	}
	if err := options.quotaObstacle(); err != nil {
		return Options{}, err
	}
	fixed := options
	fixed.Size, fixed.Inodes, fixed.Huge = current.Size, current.Inodes, current.Huge
	fixed.QuotaBytes, fixed.QuotaObjects = current.QuotaBytes, current.QuotaObjects
	fixed.ReadOnly, fixed.NoExec = current.ReadOnly, current.NoExec
	fixed.LimitHandles, fixed.LimitWaiters = current.LimitHandles, current.LimitWaiters
	fixed.LimitReaders, fixed.LimitRequests = current.LimitReaders, current.LimitRequests
	if fixed != current {
		return Options{}, needsNewMount(words, current)
	}
	return options, nil
}

// needsNewMount names the word, the last where several do, that changes what cannot change on a live mount.
func needsNewMount(words []string, current Options) *OptionError {
	told := &OptionError{Problem: "it cannot change while mounted and needs a new mount: unmount, then mount with it"}
	for _, word := range words {
		changed := current
		if known, err := apply(word, &changed); err == nil && !known.live && changed != current {
			told.Option, told.Value = known.name, optionValue(word)
		}
	}
	return told
}

// IsRemount reports whether the list asks to change a live mount rather than to make a new one.
func IsRemount(text string) bool {
	for _, word := range splitOptions(text) {
		if word == remountWord {
			return true
		}
	}
	return false
}

const remountWord = "remount"

// apply sets what one word of the list says and returns the option that it names.
func apply(word string, options *Options) (optionEntry, error) {
	name, value, hasValue := strings.Cut(word, "=")
	if strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-") || name == "comment" {
		return optionEntry{name: name, live: true}, nil // notes to other programs, by the rules of mount(8)
	}
	if reason, ok := refusedOptions[name]; ok {
		return optionEntry{}, &OptionError{Option: name, Value: value, Problem: reason}
	}
	known, ok := optionNamed(name)
	if !ok {
		return optionEntry{}, unknownOptionError(name)
	}
	if known.flag != nil {
		if hasValue {
			return optionEntry{}, &OptionError{Option: name, Value: value, Problem: "it takes no value"}
		}
		known.flag(options)
		return known, nil
	}
	if value == "" {
		return optionEntry{}, &OptionError{Option: name, Problem: "it needs a value, such as " + name + "=" + known.example}
	}
	return known, known.parse(options, value)
}

// contradiction returns an error when two options cannot both be met; named are those that were given.
func (o Options) contradiction(named map[string]bool) error {
	if o.RequirePassthrough && !o.Passthrough {
		return &OptionError{Option: "require-passthrough", Problem: "it contradicts passthrough=off: give only one of them"}
	}
	if err := o.quotaObstacle(); err != nil || o.Store == StoreTmpfs {
		return err
	}
	for _, name := range directoryKeeps {
		if named[name] {
			return &OptionError{Option: name, Problem: "a directory store has its own: leave it out, or keep the objects in store=tmpfs"}
		}
	}
	if named["size"] && o.Commit == Lazy {
		return &OptionError{Option: "size", Problem: "only commit=strict can limit a directory store: leave one of the two out"}
	}
	return nil
}

// quotaObstacle returns an error when nobody could hold users to the limits.
func (o Options) quotaObstacle() error {
	if o.QuotaBytes == 0 || o.Commit == Strict {
		return nil
	}
	return &OptionError{Option: "quota-uid", Problem: "under commit=lazy objects grow without the daemon, so only commit=strict can limit what users hold: " +
		"leave one of the two out, or limit the number of objects with quota-objects"}
}

// directoryKeeps are the options whose values a directory store brings along: its file system's, or its own root's.
var directoryKeeps = []string{"nr_inodes", "huge", "mode", "uid", "gid"}

// leaveToDirectory clears what a directory store decides for itself. It has no limit unless one was named.
func (o *Options) leaveToDirectory(named map[string]bool) {
	o.Inodes, o.Huge, o.Mode, o.UID, o.GID = 0, "", 0, 0, 0
	if !named["size"] {
		o.Size = 0
	}
}

// splitOptions cuts a list at its commas and takes the escapes out. Empty words are dropped, as mount(8) does.
func splitOptions(text string) []string {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
		}
		word.Reset()
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == ',':
			end()
			continue
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == ',' || text[i+1] == '\\'):
			i++
		}
		word.WriteByte(text[i])
	}
	end()
	return words
}

// escapeValue makes a value safe to stand in a list.
func escapeValue(value string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(value)
}

func optionValue(word string) string {
	_, value, _ := strings.Cut(word, "=")
	return value
}
