package main

import (
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"shmfs/fs/table"
)

func (c *quotaCommand) newGetCommand() *cobra.Command {
	view := tableView{}
	command := &cobra.Command{
		Use:   "get [-o COLUMNS] [--bytes] [--json | --noheadings] [USER]",
		Short: "Show what a user holds and may hold",
		Long:  "Show what a user, by name or number, holds and may hold; without a USER, you.",
		Example: "  shmfs quota get\n" +
			"  shmfs quota get ann",
		Args:              oneOrNoUser,
		ValidArgsFunction: c.completeUser,
		RunE: func(command *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				arguments = []string{strconv.Itoa(os.Getuid())}
			}
			who, err := findAccount(arguments[0])
			if err != nil {
				return err
			}
			mount, err := chooseMount(c.mount)
			if err != nil {
				return err
			}
			all, err := readInfoTable(mount, quotaFile)
			if err != nil {
				return err
			}
			row := who.rowOf(all)
			if row == nil {
				if row, err = who.emptyRow(mount, all); err != nil {
					return err
				}
			}
			return view.show(command.OutOrStdout(), &table.Parsed{Header: all.Header, Rows: [][]string{row}}, usualQuotaColumns...)
		},
	}
	view.addFlags(command)
	return command
}

func oneOrNoUser(command *cobra.Command, arguments []string) error {
	if len(arguments) > 1 {
		return failure(exitUsage, "%q is an argument too many: see %s --help", arguments[1], command.CommandPath())
	}
	return nil
}

// emptyRow is the row of a user who holds nothing and has everybody's limits, which are options of the mount.
func (a account) emptyRow(mount string, all *table.Parsed) ([]string, error) {
	text, err := readInfo(mount, "config")
	if err != nil {
		return nil, err
	}
	options := parseKeyValues(text)
	limit := func(option string) string {
		if value := valueOf(options, option); value != "" && value != "0" && a.uid != 0 {
			return value
		}
		return ""
	}
	fields := map[string]string{
		"UID": strconv.FormatUint(uint64(a.uid), 10), "USER": a.name,
		"BYTES": "0", "BYTES-LIMIT": limit("quota-uid"), "OBJECTS": "0", "OBJECTS-LIMIT": limit("quota-objects"),
	}
	if valueOf(options, "commit") == "lazy" {
		fields["BYTES"] = ""
	}
	row := make([]string, len(all.Header))
	for i, name := range all.Header {
		row[i] = fields[name]
	}
	return row, nil
}
