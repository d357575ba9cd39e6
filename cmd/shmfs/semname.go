package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// semaphorePrefix stands before a semaphore's name in the name of its file.
const semaphorePrefix = "sem."

// longestName is what the prefix leaves of the longest file name.
const longestName = unix.NAME_MAX - len(semaphorePrefix)

// semaphoreName returns the name of a semaphore as sem_open takes it, without the slash that may stand before it.
func semaphoreName(text string) (string, error) {
	name := strings.TrimPrefix(text, "/")
	switch {
	case name == "":
		return "", failure(exitUsage, "the name of the semaphore is empty: give one")
	case strings.Contains(name, "/"):
		return "", failure(exitUsage, "the name %q has a slash in it: semaphores lie directly under the mount", text)
	case len(name) > longestName:
		return "", failure(exitUsage, "the name of the semaphore has %d bytes: give one of %d at most", len(name), longestName)
	}
	return name, nil
}

// isTemporaryName reports whether a name is of the kind under which glibc's sem_open makes a semaphore ready.
func isTemporaryName(name string) bool {
	const length = 6
	return len(name) == length && !strings.ContainsFunc(name, func(character rune) bool {
		letter := character|0x20 >= 'a' && character|0x20 <= 'z'
		digit := character >= '0' && character <= '9'
		return !letter && !digit
	})
}

// completeName completes the first argument with the names of the mount's semaphores. No shell could take over the names that
// hold control characters.
func (c *semCommand) completeName(_ *cobra.Command, arguments []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(arguments) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	mount, err := chooseMount(c.mount)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := within(func() ([]string, error) { return semaphoreNames(mount) })
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return !strings.HasPrefix(name, begun) || printable(name) != name
	}), cobra.ShellCompDirectiveNoFileComp
}
