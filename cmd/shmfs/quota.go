package main

import (
	"math"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"shmfs/fs/table"
)

const quotaHelp = `Work with quotas: how many bytes, and how many objects, each user may hold in a mount. The owner of an object is charged for it.

The options quota-uid= and quota-objects= of a mount are everybody's limits (shmfs mount -o remount,quota-uid=1G changes them); here
single users get limits of their own, which last as long as the mount. Root has none. Whoever reaches a limit gets EDQUOT (Disk quota
exceeded), and df shows them their own limit.

The mount is found by itself when there is only one; otherwise --mount or the environment variable SHMFS_MOUNT names it.

Exit codes:
`

// quotaCommand is what the commands of `shmfs quota` share.
type quotaCommand struct {
	mount string // as asked for; may be empty
}

func newQuotaCommand() *cobra.Command {
	c := &quotaCommand{}
	command := &cobra.Command{
		Use:   "quota",
		Short: "Limit what users hold, and show what they do",
		Long:  quotaHelp + exitCodeTable(),
		Example: "  shmfs quota set ann --size 4G\n" +
			"  shmfs quota get ann\n" +
			"  shmfs quota ls --sort -bytes",
		Args: requireSubcommand,
		RunE: func(*cobra.Command, []string) error { return nil }, // never reached: requireSubcommand refuses
	}
	flags := command.PersistentFlags()
	flags.StringVar(&c.mount, "mount", "", "directory where the shmfs is mounted")
	_ = command.MarkPersistentFlagDirname("mount")
	command.AddCommand(c.newSetCommand(), c.newGetCommand(), c.newListCommand())
	return command
}

// quotaFile is the table of what users hold and may hold, in the mount's own directory.
const quotaFile = "quota"

var usualQuotaColumns = []string{"USER", "BYTES", "BYTES-LIMIT", "OBJECTS", "OBJECTS-LIMIT", "OWN"}

// account is a user of the machine.
type account struct {
	name string // the number of a user without one
	uid  uint32
}

// findAccount finds the user that an argument names, by name or by number.
func findAccount(text string) (account, error) {
	number := text
	if text == "" || strings.Trim(text, "0123456789") != "" {
		found, err := user.Lookup(text)
		if err != nil {
			return account{}, failure(exitUsage, "there is no user %q: give the name of one, or a number", text)
		}
		number = found.Uid
	}
	uid, err := strconv.ParseUint(number, 10, 32)
	if err != nil || uid == math.MaxUint32 {
		return account{}, failure(exitUsage, "%q is no user's number: they go up to %d", text, uint32(math.MaxUint32-1))
	}
	return account{text, uint32(uid)}, nil
}

// rowOf returns a user's row of the table, nil if there is none.
func (a account) rowOf(all *table.Parsed) []string {
	place := all.Column("UID")
	for _, row := range all.Rows {
		if row[place] == strconv.FormatUint(uint64(a.uid), 10) {
			return row
		}
	}
	return nil
}

// completeUser completes the first argument with the users who hold something or have limits of their own.
func (c *quotaCommand) completeUser(_ *cobra.Command, arguments []string, begun string) ([]string, cobra.ShellCompDirective) {
	mount, err := chooseMount(c.mount)
	if len(arguments) > 0 || err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := within(func() (*table.Parsed, error) { return readInfoTable(mount, quotaFile) })
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, row := range all.Rows {
		if name := row[all.Column("USER")]; strings.HasPrefix(name, begun) && printable(name) == name {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
