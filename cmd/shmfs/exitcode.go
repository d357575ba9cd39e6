package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes of every command. They are part of the program's contract: a number never changes its meaning.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitMountpoint  = 3
	exitMounted     = 4
	exitPermission  = 5
	exitPassthrough = 6
	exitNotMounted  = 7
	exitBusy        = 8
)

// exitLeft is the exit code of a mount -f that leaves its mount to the service manager, which is to start it again; sysexits.h has it as the
// code of what is worth another try.
const exitLeft = 75

// The exit codes that waiting and running a command have besides, as timeout(1) and shells have them.
const (
	exitTimeout       = 124
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the signal's number
)

var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "success"},
	{exitFailure, "any failure that has no code of its own"},
	{exitUsage, "the command line or an option is wrong"},
	{exitMountpoint, "the mountpoint does not exist or is no directory"},
	{exitMounted, "a live shmfs is mounted there already"},
	{exitPermission, "the right to do it is missing"},
	{exitPassthrough, "require-passthrough was given and passthrough cannot be had"},
	{exitNotMounted, "no shmfs is mounted there"},
	{exitBusy, "the mount is in use"},
}

var runExitCodes = []struct {
	code    string
	meaning string
}{
	{strconv.Itoa(exitTimeout), "sem wait, sem run: the time given with --timeout is over"},
	{strconv.Itoa(exitNotExecutable), "sem run: the command cannot be executed"},
	{strconv.Itoa(exitNotFound), "sem run: the command is not found"},
	{strconv.Itoa(exitSignal) + "+N", "sem run: signal N ended the command, or shmfs while it waited for the units"},
}

// codedError is an error with the exit code it ends the program with.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// failure makes an error that ends the program with the code. With an empty text it does so without a word.
func failure(code int, format string, arguments ...any) error {
	return &codedError{code: code, err: fmt.Errorf(format, arguments...)}
}

// exitCodeTable is the list as help texts show it.
func exitCodeTable() string {
	var table strings.Builder
	for _, entry := range exitCodes {
		fmt.Fprintf(&table, "  %d  %s\n", entry.code, entry.meaning)
	}
	return table.String()
}

// runExitCodeTable is the list of the codes that only commands of `shmfs sem` have.
func runExitCodeTable() string {
	var table strings.Builder
	for _, entry := range runExitCodes {
		fmt.Fprintf(&table, "  %-5s  %s\n", entry.code, entry.meaning)
	}
	return table.String()
}

// newExitCodesTopic is what `shmfs help exit-codes` shows.
func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes of shmfs mean",
		Long: "Every failing command prints one line to standard error and ends with one of these codes:\n\n" + exitCodeTable() +
			"\nshmfs doctor ends with 1 when it warns of something; shmfs watch and dump --follow end with 128+N by signal N (130 by\n" +
			"SIGINT), and with 7 when the mount ends; shmfs rm and gc go on after a failure, say each on a line, and end with the first's code;\n" +
			"shmfs mount -f ends with 75 when SIGUSR2 has it leave the mount to the service manager, or when it could not go on with one\n" +
			"that the service manager has kept, and will be able to when the command line is right.\n" +
			"\nCommands of shmfs sem have these besides; and sem trywait ends with 1 when no unit is free:\n\n" + runExitCodeTable() +
			"\nOtherwise sem run ends with the status of its command.",
	}
}
