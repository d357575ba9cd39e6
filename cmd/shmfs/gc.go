package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

const gcHelp = `Find objects and semaphores that no process has open or mapped, with their age and who created them: what programs left behind
that ended without removing it, and what only waits to be used again. With names, only those and what is below them.

With --dry-run they are listed. With --force they are removed, and those that were are listed; each is looked at once more just
before, but a process that opens it in that very moment loses it. --older leaves out what was created or changed more recently.`

// collection is one call of `shmfs gc`.
type collection struct {
	dryRun bool
	force  bool
	older  timeLimit
	view   tableView
}

var usualUnusedColumns = []string{"NAME", "TYPE", "SIZE", "RESIDENT", "OWNER", "AGE", "CREATOR", "CREATOR-PID"}

func (c *inspectCommand) newCollectCommand() *cobra.Command {
	collection := collection{}
	command := &cobra.Command{
		Use:   "gc {--dry-run | --force} [--older D] [-o COLUMNS] [--sort COLUMN] [--bytes] [--json | --noheadings] [NAME...]",
		Short: "Find objects that nobody uses, or remove them",
		Long:  gcHelp,
		Example: "  shmfs gc --dry-run --sort -resident\n" +
			"  shmfs gc --force --older 24h scratch",
		ValidArgsFunction: c.completeObject,
		RunE: func(command *cobra.Command, arguments []string) error {
			if collection.dryRun == collection.force {
				return failure(exitUsage, "give --dry-run to see what nobody uses, or --force to remove it")
			}
			names, err := objectNames(arguments)
			if err != nil {
				return err
			}
			mount, err := chooseMount(c.mount)
			if err != nil {
				return err
			}
			if err := collection.requireSight(mount, command.ErrOrStderr()); err != nil {
				return err
			}
			return collection.run(mount, names, command.OutOrStdout(), command.ErrOrStderr())
		},
	}
	flags := command.Flags()
	flags.BoolVarP(&collection.dryRun, "dry-run", "n", false, "only list them")
	flags.BoolVar(&collection.force, "force", false, "remove them")
	flags.Var(&collection.older, "older", "only what was left alone for that long: seconds, or a duration such as 24h")
	collection.view.addFlags(command)
	return command
}

// requireSight refuses to remove where not all who might use an object can be seen, and warns where that makes a list doubtful.
func (c *collection) requireSight(mount string, warnings io.Writer) error {
	found, err := requireShmfs(mount)
	if err != nil || seesEverybody(found.mount, os.Geteuid()) {
		return err
	}
	if c.force {
		return failure(exitPermission, "other users' processes, which may use what seems unused, are shown to root only: use sudo")
	}
	fmt.Fprintln(warnings,
		"shmfs: other users' processes are shown to root only, so that some of these may be in use: use sudo to see")
	return nil
}

// seesEverybody reports whether a user sees all processes that can use a mount: root does, and who has a mount alone.
func seesEverybody(of mount, user int) bool {
	return user == 0 || of.user() == user && !slices.Contains(of.super, "allow_other")
}

func (c *collection) run(mount string, names []string, output, complaints io.Writer) error {
	unused, err := findUnused(mount, names)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := c.view.show(io.Discard, unusedTable(nil, now), usualUnusedColumns...); err != nil {
		return err // before anything is removed
	}
	var failures []error
	unused = slices.DeleteFunc(unused, func(one *unusedObject) bool {
		kept, err := c.take(one, now)
		if err != nil {
			failures = append(failures, err)
		}
		return !kept
	})
	if err := c.view.show(output, unusedTable(unused, now), usualUnusedColumns...); err != nil {
		return err
	}
	return allFailures(complaints, failures)
}

// take reports whether an object is to be listed, after it has been removed if it is to be.
func (c *collection) take(one *unusedObject, now time.Time) (listed bool, err error) {
	unused, err := one.lookUp()
	switch {
	case err != nil && one.isGone():
		return false, nil
	case err != nil:
		return false, err
	case !unused, one.quiet(now) < c.older.duration:
		return false, nil
	case !c.force:
		return true, nil
	}
	if err := one.remove(); err != nil {
		if one.isGone() {
			return false, nil
		}
		return false, err
	}
	return true, nil
}
