package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// semaphoreList is one call of `shmfs sem ls`.
type semaphoreList struct {
	json       bool
	noHeadings bool
}

// listed is a semaphore in the list.
type listed struct {
	name  string
	state semaphoreState
}

func (c *semCommand) newListCommand() *cobra.Command {
	list := semaphoreList{}
	command := &cobra.Command{
		Use:   "ls [--json | --noheadings]",
		Short: "List the semaphores",
		Long: `List the semaphores of the mount by name. HELD are the units that open files have acquired, as shmfs sem run does.

In the table, what a name holds besides printable characters, and spaces, are written as Go writes them (\n, \x20).`,
		Example: "  shmfs sem ls\n" +
			"  shmfs sem ls --json",
		Args: func(command *cobra.Command, arguments []string) error {
			if len(arguments) > 0 {
				return failure(exitUsage, "it takes no arguments: see %s --help", command.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, _ []string) error {
			mount, err := chooseMount(c.mount)
			if err != nil {
				return err
			}
			return list.show(mount, command.OutOrStdout())
		},
	}
	command.Flags().BoolVar(&list.json, "json", false, "print everything as JSON")
	command.Flags().BoolVar(&list.noHeadings, "noheadings", false, "leave out the line with the columns' names")
	return command
}

func (l semaphoreList) show(mount string, output io.Writer) error {
	all, err := listSemaphores(mount)
	if err != nil {
		return err
	}
	if l.json {
		return writeJSON(output, all)
	}
	return writeTable(output, all, !l.noHeadings)
}

// semaphoreNames returns the names of the files in a mount that have the name of a semaphore, sorted.
func semaphoreNames(mount string) ([]string, error) {
	entries, err := os.ReadDir(mount)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name, prefixed := strings.CutPrefix(entry.Name(), semaphorePrefix)
		if prefixed && name != "" && entry.Type().IsRegular() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// listSemaphores reads the state of every semaphore. What goes meanwhile is left out, and so is what glibc is about to make a
// semaphore of.
func listSemaphores(mount string) ([]listed, error) {
	names, err := semaphoreNames(mount)
	if err != nil {
		return nil, (semaphore{mount: mount}).listRefusal(err)
	}
	var all []listed
	for _, name := range names {
		state, found, err := (semaphore{name: name, mount: mount}).glance()
		if err != nil {
			return nil, err
		}
		if found && !(isTemporaryName(name) && strings.HasPrefix(state.State, invalidState)) {
			all = append(all, listed{name, state})
		}
	}
	return all, nil
}

func (s semaphore) listRefusal(err error) error {
	if errors.Is(err, unix.EACCES) {
		return failure(exitPermission, "listing %s: %w: use sudo, or have its owner allow it with chmod", s.mount, unix.EACCES)
	}
	return s.refusal(err)
}

// glance is state for a list, which tells also of what cannot be read, and not at all of what is not there any more.
func (s semaphore) glance() (state semaphoreState, found bool, err error) {
	descriptor, err := unix.Open(s.path(), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ELOOP):
		return semaphoreState{}, false, nil
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return unknownState("unreadable: " + err.Error()), true, nil
	case err != nil:
		return semaphoreState{}, false, s.refusal(err)
	}
	file := &semaphoreFile{semaphore: s, descriptor: descriptor}
	defer file.close()
	text, err := file.text()
	if err != nil {
		return semaphoreState{}, false, s.refusal(err)
	}
	if state, err = parseSemaphore(text); err != nil {
		return unknownState(invalidState + ": " + err.Error()), true, nil
	}
	return state, true, nil
}

// unknownState is what there is to say of a file whose text cannot be had.
func unknownState(why string) semaphoreState {
	return semaphoreState{State: why, Layout: "-", Stuck: "unknown", Holders: []holder{}}
}

func writeTable(output io.Writer, all []listed, heading bool) error {
	table := tabwriter.NewWriter(output, 0, 8, 2, ' ', 0)
	if heading {
		fmt.Fprintln(table, "NAME\tVALUE\tWAITERS\tHELD\tLAYOUT\tSTATE")
	}
	for _, one := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", printableField(one.name), numberField(one.state.Value),
			numberField(one.state.Waiters), one.state.Held, printableField(one.state.Layout), printable(one.state.State))
	}
	return table.Flush()
}

// numberField is a dash for what is not known.
func numberField(number *int) string {
	if number == nil {
		return "-"
	}
	return strconv.Itoa(*number)
}
