package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// userLimit is a limit to be set: a flag that may be missing. It implements pflag.Value.
type userLimit struct {
	text   string // empty: not given
	number int64  // 0: none; negative: everybody's
}

// Set reads a number with a binary unit that may be missing, none or default.
func (l *userLimit) Set(text string) (err error) {
	number := int64(0)
	switch text {
	case "none":
	case defaultLimit:
		number = -1
	default:
		if number, err = parseSize(text); err != nil {
			return err
		}
	}
	*l = userLimit{text, number}
	return nil
}

const defaultLimit = "default"

func (l *userLimit) String() string { return l.text }

// Type names the argument in help texts.
func (l *userLimit) Type() string { return "limit" }

// word is what the daemon is told, empty if nothing is.
func (l *userLimit) word(name string) string {
	switch {
	case l.text == "":
		return ""
	case l.number < 0:
		return " " + name + "=" + defaultLimit
	}
	return " " + name + "=" + strconv.FormatInt(l.number, 10)
}

// quotaChange is one call of `shmfs quota set`.
type quotaChange struct {
	size, objects userLimit
}

func (c *quotaCommand) newSetCommand() *cobra.Command {
	change := quotaChange{}
	command := &cobra.Command{
		Use:   "set {--size LIMIT | --objects LIMIT}... USER",
		Short: "Give a user limits of their own",
		Long: `Give a user, by name or number, a limit of their own: of bytes with --size, of objects with --objects, or both. LIMIT is a number,
with K, M, G or T behind it, or none, or default: then the user has everybody's limit again. What is not named stays as it is.

A limit may be lower than what the user holds: nothing is taken away, and nothing more is given until they hold less.
It takes root, or the user who mounted.`,
		Example: "  shmfs quota set ann --size 4G --objects 10K\n" +
			"  shmfs quota set ann --size default",
		Args:              oneUser,
		ValidArgsFunction: c.completeUser,
		RunE: func(command *cobra.Command, arguments []string) error {
			if change.size.text == "" && change.objects.text == "" {
				return failure(exitUsage, "no limit is given: give one with --size or --objects")
			}
			who, err := findAccount(arguments[0])
			if err != nil {
				return err
			}
			if who.uid == 0 {
				return failure(exitUsage, "root is held to no limit: name another user")
			}
			mount, err := chooseMount(c.mount)
			if err != nil {
				return err
			}
			return change.apply(mount, who, command.ErrOrStderr())
		},
	}
	flags := command.Flags()
	flags.VarP(&change.size, "size", "s", "most bytes, none or default")
	flags.VarP(&change.objects, "objects", "n", "most objects, none or default")
	return command
}

func oneUser(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return failure(exitUsage, "the user is missing: see %s --help", command.CommandPath())
	}
	return oneOrNoUser(command, arguments)
}

func (q quotaChange) apply(mount string, who account, notes io.Writer) error {
	found, err := requireShmfs(mount)
	if err != nil {
		return err
	}
	if err := requireOwner(found); err != nil {
		return err
	}
	name, _, err := readControl(found.path, controlQuota)
	if err != nil {
		return q.refusal(found, err)
	}
	line := strconv.FormatUint(uint64(who.uid), 10) + q.size.word("bytes") + q.objects.word("objects")
	if err := writeControl(found, name, line, found.readOnly()); err != nil {
		return q.refusal(found, err)
	}
	return q.note(found.path, who, notes)
}

// note tells if the user holds more than they may.
func (q quotaChange) note(mount string, who account, notes io.Writer) error {
	all, err := readInfoTable(mount, quotaFile)
	if err != nil {
		return err
	}
	row := who.rowOf(all)
	if row == nil {
		return nil
	}
	number := func(column string) int64 {
		value, err := strconv.ParseInt(row[all.Column(column)], 10, 64)
		if err != nil {
			return -1 // none
		}
		return value
	}
	var over []string
	if limit, held := number("BYTES-LIMIT"), number("BYTES"); limit >= 0 && held > limit {
		over = append(over, humanSize(held)+" of "+humanSize(limit))
	}
	if limit, held := number("OBJECTS-LIMIT"), number("OBJECTS"); limit >= 0 && held > limit {
		over = append(over, fmt.Sprintf("%d of %d objects", held, limit))
	}
	if len(over) > 0 {
		fmt.Fprintf(notes, "shmfs: %s holds %s: nothing more is given until it is less\n", printable(who.name), strings.Join(over, " and "))
	}
	return nil
}

// refusal says why the daemon did not take a limit.
func (q quotaChange) refusal(found mountpoint, err error) error {
	switch {
	case errors.Is(err, unix.ENODATA):
		return failure(exitFailure, "the shmfs on %s knows no quotas: have it mounted by a daemon of this version (unmount it and mount it again)",
			found.path)
	case errors.Is(err, unix.EOPNOTSUPP):
		return failure(exitFailure, "the shmfs on %s is mounted with commit=lazy, where objects grow without the daemon: "+
			"limit the number of objects with --objects, or have it mounted with commit=strict", found.path)
	case errors.Is(err, unix.ENOSPC):
		return failure(exitFailure, "too many users of the shmfs on %s have limits of their own: give some of them --size default --objects default",
			found.path)
	case errors.Is(err, unix.EROFS) && os.Geteuid() != 0:
		return failure(exitPermission, "the shmfs on %s is mounted read-only: changing it takes root: use sudo", found.path)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return failure(exitPermission, "the shmfs on %s refuses: %w: use sudo, or the user who mounted it", found.path, err)
	case isMountGone(err):
		return mountGone(found.path)
	}
	return failure(exitFailure, "the shmfs on %s refuses the limits: %w", found.path, err)
}
