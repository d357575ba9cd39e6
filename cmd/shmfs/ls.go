package main

import (
	"os/user"
	"slices"

	"github.com/spf13/cobra"

	"shmfs/fs/table"
)

const listHelp = `List what is in the mount: objects, semaphores and directories, by path. With names, only those and what is below them.

OWNER and GROUP are names where they have one. RESIDENT is what is in memory, CHARGED what counts against the mount's size,
OPENS the open files. In names, bytes that are not printable are written as \ooo, three octal digits.`

// usualObjectColumns are shown unless others are asked for.
var usualObjectColumns = []string{"NAME", "SIZE", "RESIDENT", "MODE", "OWNER", "OPENS", "MODIFIED"}

func (c *inspectCommand) newListCommand() *cobra.Command {
	view := tableView{}
	command := &cobra.Command{
		Use:   "ls [-o COLUMNS] [--sort COLUMN] [--bytes] [--json | --noheadings] [NAME...]",
		Short: "List objects",
		Long:  listHelp,
		Example: "  shmfs ls --sort -resident\n" +
			"  shmfs ls -o name,size,inode frames\n" +
			"  shmfs ls --json",
		ValidArgsFunction: c.completeObject,
		RunE: func(command *cobra.Command, arguments []string) error {
			names, err := objectNames(arguments)
			if err != nil {
				return err
			}
			mount, err := chooseMount(c.mount)
			if err != nil {
				return err
			}
			objects, err := readObjects(mount, names)
			if err != nil {
				return err
			}
			return view.show(command.OutOrStdout(), objects, usualObjectColumns...)
		},
	}
	view.addFlags(command)
	return command
}

// readObjects reads the table of objects, with OWNER and GROUP besides, as far as the names reach. A name of nothing is an error.
func readObjects(mount string, names []string) (*table.Parsed, error) {
	objects, err := readInfoTable(mount, "objects")
	if err != nil {
		return nil, err
	}
	place, err := columnOf(objects, "NAME")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(objects.Rows, func(row []string) bool { return isWithin(row[place], []string{name}) }) {
			return nil, object{name: name, mount: mount}.missing()
		}
	}
	objects.Rows = slices.DeleteFunc(objects.Rows, func(row []string) bool { return !isWithin(row[place], names) })
	addNames(objects, "UID", "OWNER", userName)
	addNames(objects, "GID", "GROUP", groupName)
	return objects, nil
}

// addNames adds a column with the names of the numbers in another.
func addNames(all *table.Parsed, numbers, column string, name func(string) string) {
	place := all.Column(numbers)
	if place < 0 || all.Column(column) >= 0 {
		return
	}
	known := map[string]string{}
	all.Header = append(all.Header, column)
	for i, row := range all.Rows {
		if _, found := known[row[place]]; !found {
			known[row[place]] = name(row[place])
		}
		all.Rows[i] = append(row, known[row[place]])
	}
}

// userName is a user's name, or the number of one who has none.
func userName(number string) string {
	if found, err := user.LookupId(number); err == nil {
		return found.Username
	}
	return number
}

// groupName is a group's name, or the number of one that has none.
func groupName(number string) string {
	if found, err := user.LookupGroupId(number); err == nil {
		return found.Name
	}
	return number
}
