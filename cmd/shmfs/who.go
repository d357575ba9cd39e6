package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"shmfs/fs/table"
)

const whoHelp = `Show which processes use objects: a line for each process and object that it has open or mapped. With a name, only that
object, or what is below that directory; an object that has no name any more is named #INODE.

OPEN are its open files, MAPPED the bytes that it maps, in RANGES pieces, RESIDENT what of that is in its memory. Other users'
processes are shown to root only.`

// usualUserColumns are shown unless others are asked for.
var usualUserColumns = []string{"OBJECT", "PID", "USER", "COMMAND", "OPEN", "MAPPED", "RESIDENT"}

func (c *inspectCommand) newWhoCommand() *cobra.Command {
	view := tableView{}
	command := &cobra.Command{
		Use:   "who [-o COLUMNS] [--sort COLUMN] [--bytes] [--json | --noheadings] [NAME]",
		Short: "Show who has objects open or mapped",
		Long:  whoHelp,
		Example: "  shmfs who\n" +
			"  shmfs who -o pid,command,flags,protection frames",
		Args:              oneOrNoObject,
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
			if err := requireKnown(mount, names); err != nil {
				return err
			}
			users, err := readUsers(mount, names)
			if err != nil {
				return err
			}
			return view.show(command.OutOrStdout(), users, usualUserColumns...)
		},
	}
	view.addFlags(command)
	return command
}

// requireKnown refuses names of nothing, lest a misspelt one looks as if nobody used it.
func requireKnown(mount string, names []string) error {
	if len(names) == 0 || strings.HasPrefix(names[0], "#") {
		return nil
	}
	_, err := readObjects(mount, names)
	return err
}

// objectUse is what one process does with one object.
type objectUse struct {
	object, pid, user, command string

	opens            int
	flags            []string // of all open files
	since            string   // when it opened the first; empty: it has none open
	ranges           int
	mapped, resident int64
	protection       string
	shared, private  bool
}

// readUsers joins the tables of open files and of mappings.
func readUsers(mount string, names []string) (*table.Parsed, error) {
	handles, err := readInfoTable(mount, "handles")
	if err != nil {
		return nil, err
	}
	maps, err := readInfoTable(mount, "maps")
	if err != nil {
		return nil, err
	}
	uses := joinUses(handles, maps)
	users := &table.Parsed{Header: []string{"OBJECT", "PID", "USER", "COMMAND", "OPEN", "FLAGS", "SINCE", "MAPPED", "RANGES",
		"PROTECTION", "SHARING", "RESIDENT"}}
	for _, use := range uses {
		if isWithin(use.object, names) {
			users.Rows = append(users.Rows, use.row())
		}
	}
	return users, nil
}

// joinUses sums both tables up for each process and object, sorted by object and process.
func joinUses(handles, maps *table.Parsed) []*objectUse {
	known := map[[4]string]*objectUse{}
	of := func(all *table.Parsed, row []string) *objectUse {
		key := [4]string{at(all, row, "OBJECT"), at(all, row, "PID"), at(all, row, "USER"), at(all, row, "COMMAND")}
		if known[key] == nil {
			known[key] = &objectUse{object: key[0], pid: key[1], user: key[2], command: key[3]}
		}
		return known[key]
	}
	for _, row := range handles.Rows {
		of(handles, row).addHandle(at(handles, row, "FLAGS"), at(handles, row, "SINCE"))
	}
	for _, row := range maps.Rows {
		of(maps, row).addMapping(maps, row)
	}
	uses := make([]*objectUse, 0, len(known))
	for _, use := range known {
		uses = append(uses, use)
	}
	slices.SortFunc(uses, func(a, b *objectUse) int {
		return cmp.Or(strings.Compare(a.object, b.object), compareFields(numberKind, a.pid, b.pid),
			strings.Compare(a.command, b.command), strings.Compare(a.user, b.user))
	})
	return uses
}

// at returns a field by its column's name; nothing where the daemon has no such column.
func at(all *table.Parsed, row []string, column string) string {
	if place := all.Column(column); place >= 0 {
		return row[place]
	}
	return ""
}

func (u *objectUse) addHandle(flags, since string) {
	u.opens++
	for flag := range strings.SplitSeq(flags, ",") {
		if flag != "" && !slices.Contains(u.flags, flag) {
			u.flags = append(u.flags, flag)
		}
	}
	if u.since == "" || since < u.since {
		u.since = since
	}
}

func (u *objectUse) addMapping(maps *table.Parsed, row []string) {
	u.ranges++
	start, end, _ := strings.Cut(at(maps, row, "START-END"), "-")
	from, fromErr := strconv.ParseUint(start, 16, 64)
	to, toErr := strconv.ParseUint(end, 16, 64)
	if fromErr == nil && toErr == nil && from <= to {
		u.mapped += int64(to - from)
	}
	resident, err := strconv.ParseInt(at(maps, row, "RESIDENT"), 10, 64)
	if err == nil {
		u.resident += resident
	}
	u.protection = mergeProtection(u.protection, at(maps, row, "PROTECTION"))
	switch at(maps, row, "SHARING") {
	case "shared":
		u.shared = true
	case "private":
		u.private = true
	}
}

// mergeProtection joins two texts such as r-- and rw-.
func mergeProtection(first, second string) string {
	if len(first) != len(second) {
		return first + second // one of them is empty
	}
	merged := []byte(first)
	for i := range merged {
		if merged[i] == '-' {
			merged[i] = second[i]
		}
	}
	return string(merged)
}

func (u *objectUse) row() []string {
	var sharing []string
	if u.shared {
		sharing = append(sharing, "shared")
	}
	if u.private {
		sharing = append(sharing, "private")
	}
	return []string{u.object, u.pid, u.user, u.command, strconv.Itoa(u.opens), strings.Join(u.flags, ","), u.since,
		strconv.FormatInt(u.mapped, 10), strconv.Itoa(u.ranges), u.protection, strings.Join(sharing, ","),
		strconv.FormatInt(u.resident, 10)}
}
