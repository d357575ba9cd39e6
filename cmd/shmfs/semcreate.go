package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// newSemaphore is one call of `shmfs sem create`.
type newSemaphore struct {
	value int
	mode  fileMode
}

func (c *semCommand) newCreateCommand() *cobra.Command {
	value := "1"
	made := newSemaphore{}
	command := &cobra.Command{
		Use:   "create [--value N] [-m MODE] NAME [VALUE]",
		Short: "Create a semaphore",
		Long: `Create a semaphore, in glibc's layout, with a value (default 1). It fails if the name exists.

Without --mode the permissions are those the umask leaves of 0666; who uses a semaphore needs to read and write it.`,
		Example: "  shmfs sem create jobs\n" +
			"  shmfs sem create -m 600 slots 8",
		Args: nameAnd(0, 1),
		RunE: func(command *cobra.Command, arguments []string) (err error) {
			if len(arguments) > 1 {
				if command.Flags().Changed("value") {
					return failure(exitUsage, "the value is given twice: leave out --value or %q", arguments[1])
				}
				value = arguments[1]
			}
			if made.value, err = number(value, 0); err != nil {
				return err
			}
			target, err := c.semaphore(arguments[0])
			if err != nil {
				return err
			}
			return made.create(target)
		},
	}
	command.Flags().StringVar(&value, "value", value, "value to begin with")
	command.Flags().VarP(&made.mode, "mode", "m", "permissions, whatever the umask")
	command.ValidArgsFunction = cobra.NoFileCompletions
	return command
}

// create makes the file and initialises it. The name appears with the value and never before; until then another process can
// be the first.
func (n newSemaphore) create(target semaphore) error {
	permissions := uint32(0o666)
	if n.mode.given {
		permissions = n.mode.permissions
		unix.Umask(0)
	}
	file, err := target.openAs(unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, permissions)
	if err != nil {
		return err
	}
	defer file.close()
	if err := file.command(strconv.Itoa(n.value)); err != nil {
		return target.refusal(err)
	}
	text, err := file.text() // it begins where the write ended
	if err != nil {
		return target.refusal(err)
	}
	if !strings.HasPrefix(text, textStart) {
		return errors.Join(target.noSemaphores(), target.remove())
	}
	return nil
}

// fileMode is permissions in octal: a flag that may be missing. It implements pflag.Value.
type fileMode struct {
	given       bool
	permissions uint32
}

// Set reads permissions, those of set-user-ID and its like excepted.
func (m *fileMode) Set(text string) error {
	permissions, err := strconv.ParseUint(text, 8, 32)
	if err != nil || permissions > 0o777 {
		return errors.New("give permissions in octal, such as 660")
	}
	m.given, m.permissions = true, uint32(permissions)
	return nil
}

func (m *fileMode) String() string {
	if !m.given {
		return ""
	}
	return strconv.FormatUint(uint64(m.permissions), 8)
}

// Type names the argument in help texts.
func (m *fileMode) Type() string { return "octal" }
