package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"shmfs/fs"
)

const mountHelp = `Mount a shmfs and return when it answers. Its daemon stays in the background.

Options of -o, separated by commas (in a value, \, is a comma):
  size=SIZE            most bytes of all objects: a number with K, M, G or T behind it, or with % of the
                       machine's memory; 0 is no limit (default 50%)
  nr_inodes=N          most files and directories, with K, M or G; 0 is no limit (default: one for every
                       page of half the memory)
  quota-uid=SIZE       most bytes that each user may hold, as size= takes them; 0 is no limit (default).
                       It needs commit=strict; root is exempt, and single users can have limits of their
                       own (shmfs quota)
  quota-objects=N      most objects that each user may hold; 0 is no limit (default)
  mode=OCTAL           permissions of the mount's root (default 1777)
  uid=USER gid=GROUP   owner of the mount's root, by name or number (default: who mounts)
  huge=WHEN            huge pages: never, always, within_size or advise (default advise)
  ro, noexec           no changes; no execution. nosuid and nodev are always in force
  commit=strict|lazy   charge sizes when they are set, or pages when they are touched (default strict)
  store=tmpfs|PATH     keep the objects in memory, or in a directory (default tmpfs)
  passthrough=auto|off use the kernel's passthrough where it can be had, or never (default auto)
  require-passthrough  fail rather than do without passthrough
  allow_other          let other users in (default for root; noallow_other keeps them out)
  fsname=NAME          source shown in the mount table (default shmfs)
  limit-handles=N      most open files and directories of one user; this and the following: 0 is no limit,
                       and root has none (default 64K, or a quarter of the descriptors the daemon may have)
  limit-waiters=N      most calls of one user that wait for a semaphore or an event (default 10000)
  limit-readers=N      most open files in .shmfs of one user (default 32)
  limit-requests=N     requests of one user that are served at a time; others wait (default 8 a processor)
  remount              change size, nr_inodes, quota-uid, quota-objects, huge, the limits of one user, ro/rw or
                       noexec/exec of the shmfs mounted there

The log goes to --log-file; else, with -f, to standard error; else to the system's log (/dev/log) if the
machine has one. SIGTERM and SIGINT unmount. While files are in use the mount then leaves its path at once
and is served until the last user is gone; a second signal ends it at once. SIGHUP has the program that is on disk by then
go on serving, as shmfs reload does.

Two processes serve the mount, a supervisor and a worker: when one of them dies the other starts another, and programs that
use the mount see a pause. Signals are for the supervisor, which is the process that the command started.

With --metrics-listen [HOST]:PORT the daemon serves the mount's metrics for Prometheus at http://HOST:PORT/metrics,
without a HOST to this machine alone (127.0.0.1). To whom it serves them is not asked: whoever reaches the address
reads them. They are what MOUNT/.shmfs/metrics holds.

With -f the readiness protocol of systemd (Type=notify) is spoken, and what the mount consists of is kept in its descriptor
store (FileDescriptorStoreMax=): when all processes have ended but SIGTERM did not ask for it, the service that is started again
goes on with the same mount. SIGUSR2 has them end so that it does (RestartKillSignal=).

Exit codes:
`

// mountCommand is one call of `shmfs mount`.
type mountCommand struct {
	options    []string
	foreground bool
	reportTo   int    // descriptor to report readiness on; negative in a process that a user started
	program    string // where the program is on disk; empty in a process that a user started
	metrics    string // address to serve metrics on; empty: none
	log        logSettings
}

func newMountCommand() *cobra.Command {
	c := &mountCommand{}
	command := &cobra.Command{
		Use:   "mount [-f] [-o OPTIONS] MOUNTPOINT",
		Short: "Mount a shmfs",
		Long:  mountHelp + exitCodeTable(),
		Example: "  shmfs mount /mnt/shared\n" +
			"  shmfs mount -o size=4G,huge=within_size /mnt/shared\n" +
			"  shmfs mount --metrics-listen :9464 /mnt/shared\n" +
			"  shmfs mount -o remount,size=8G /mnt/shared",
		Args: exactlyOne,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(_ *cobra.Command, arguments []string) error { return c.run(arguments[0]) },
	}
	flags := command.Flags()
	flags.StringArrayVarP(&c.options, "options", "o", nil, "options of the mount, separated by commas; may be given several times")
	flags.BoolVarP(&c.foreground, "foreground", "f", false, "stay in the foreground and log to standard error")
	flags.IntVar(&c.reportTo, reportFlag, -1, "descriptor to report readiness on")
	flags.StringVar(&c.program, programFlag, "", "where the program is on disk")
	_ = flags.MarkHidden(reportFlag)
	_ = flags.MarkHidden(programFlag)
	flags.StringVar(&c.metrics, "metrics-listen", "",
		"serve metrics for Prometheus at http://`ADDRESS`/metrics; :PORT is the loopback interface's (default: not served)")
	c.log.addFlags(command)
	return command
}

func (c *mountCommand) run(path string) error {
	if c.foreground {
		if left := takeStored(); left != nil {
			if went, err := c.goOn(path, left); went || err != nil {
				return err
			}
		}
	}
	if err := errors.Join(c.log.check(), c.checkMetrics()); err != nil {
		return err
	}
	text := strings.Join(c.options, ",")
	if fs.IsRemount(text) {
		if c.metrics != "" {
			return failure(exitUsage, "--metrics-listen cannot be changed by a remount: mount anew")
		}
		return remount(path, text)
	}
	options, err := fs.ParseOptions(text)
	if err != nil {
		return failure(exitUsage, "%w", err)
	}
	if c.reportTo >= 0 { // the parent has checked and resolved everything
		return c.serveInBackground(path, options)
	}
	claimed, err := claimMountpoint(path)
	if err != nil {
		return err
	}
	defer claimed.release()
	if err := requireRights(claimed.path, options); err != nil {
		return err
	}
	if options.Store, err = resolveStore(options.Store, claimed.mountpoint); err != nil {
		return err
	}
	if c.foreground {
		return c.serveInForeground(claimed, options)
	}
	return c.startInBackground(claimed.path, options)
}

// checkMetrics refuses what is no address to serve metrics on, and completes one that is.
func (c *mountCommand) checkMetrics() error {
	if c.metrics == "" {
		return nil
	}
	var err error
	c.metrics, err = checkMetricsAddress(c.metrics)
	return err
}

// resolveStore returns the directory that a store= option leads to. The store and the mountpoint may not lie in one
// another: the daemon would meet its own mount in its store.
func resolveStore(store string, target mountpoint) (string, error) {
	if store == fs.StoreTmpfs {
		return store, nil
	}
	resolved, err := filepath.EvalSymlinks(store)
	if err != nil {
		return "", fmt.Errorf("store %s: %w: create the directory first", store, err)
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return "", fmt.Errorf("store %s: %w", store, err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("store %s is no directory: give a directory", store)
	}
	if target.contains(resolved) || (mountpoint{path: resolved}).contains(target.path) {
		return "", fmt.Errorf("store %s and mountpoint %s may not lie in one another: give another directory", store, target.path)
	}
	return resolved, nil
}
