// Command demo shows and proves the main job of shmfs: a file copied from a server process to a client process through
// shared memory, beside the same copy over a pipe, a FIFO, a POSIX message queue and a UNIX socket.
//
// It works in two processes. The outer one checks what the machine needs, starts the inner one in a mount namespace and an
// IPC namespace of its own, and at the end verifies that nothing is left. The inner one mounts the store over /dev/shm
// (where libc's sem_open looks, and nowhere else), compiles the example programs, runs them, and undoes everything. The
// machine's own /dev/shm and message queues are never touched.
//
// Exit status: 0 every copy was equal and nothing is left; 1 otherwise; 2 a wrong call; 130 interrupted, nothing left.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	exitFailed      = 1
	exitMisused     = 2
	exitInterrupted = 130
)

var errInterrupted = errors.New("interrupted")

func main() {
	if directory := os.Getenv(insideVariable); directory != "" {
		os.Exit(inside(directory))
	}
	runtime.LockOSThread() // the inner process is ended by the kernel when the thread that started it ends
	os.Exit(outside(os.Args[1:]))
}

// outside is the outer process.
func outside(arguments []string) int {
	setting, asJSON, err := parseSetting(arguments)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return exitMisused
	}
	if os.Geteuid() != 0 {
		err := becomeRoot(setting, asJSON)
		fmt.Fprintln(os.Stderr, "demo: mounting needs root, and sudo could not be used:", err)
		return exitFailed
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	report, err := demonstrate(ctx, setting)
	if report != nil && err == nil {
		err = report.print(os.Stdout, asJSON)
	}
	return exitStatus(err)
}

// exitStatus says what failed and gives the exit status for it.
func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "demo:", err)
	if err == errInterrupted { // and nothing else: what was left behind would be joined to it
		return exitInterrupted
	}
	return exitFailed
}

// setting is what the command line asks for. Paths are absolute.
type setting struct {
	File     string // copied by every transport
	Runs     int    // timed runs of each transport, at least 1
	Store    string // storeShmfs or storeTmpfs
	Shmfs    string // the shmfs binary
	Options  string // shmfs mount -o options, may be empty
	Examples string // the directory docs/examples
}

func parseSetting(arguments []string) (setting, bool, error) {
	var s setting
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.StringVar(&s.File, "file", "", "the `file` to copy (default: the Go toolchain's own bin/go)")
	flags.IntVar(&s.Runs, "runs", 5, "timed runs of each transport; the median is shown")
	flags.StringVar(&s.Store, "store", storeShmfs, "what is mounted: shmfs, or tmpfs for comparison")
	flags.StringVar(&s.Shmfs, "shmfs", "bin/shmfs", "the shmfs `binary`")
	flags.StringVar(&s.Options, "o", "", "shmfs mount `options`")
	flags.StringVar(&s.Examples, "examples", "docs/examples", "the `directory` of the example programs")
	asJSON := flags.Bool("json", false, "print the result as JSON")
	if err := flags.Parse(arguments); err != nil {
		return s, false, err
	}
	err := s.check(flags.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	return s, *asJSON, err
}

// check completes the setting and refuses what cannot work.
func (s *setting) check(extra []string) error {
	if len(extra) > 0 {
		return fmt.Errorf("unexpected argument %q", extra[0])
	}
	if s.Runs < 1 {
		return fmt.Errorf("-runs %d: at least 1 is needed", s.Runs)
	}
	if s.Store != storeShmfs && s.Store != storeTmpfs {
		return fmt.Errorf("-store %q: known are %s and %s", s.Store, storeShmfs, storeTmpfs)
	}
	if s.File == "" {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("finding the Go toolchain (name a file with -file): %w", err)
		}
		s.File = filepath.Join(strings.TrimSpace(string(root)), "bin", "go")
	}
	for _, path := range []*string{&s.File, &s.Shmfs, &s.Examples} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("making %s absolute: %w", *path, err)
		}
		*path = absolute
	}
	if info, err := os.Stat(s.File); err != nil {
		return fmt.Errorf("the file to copy: %w", err)
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("the file to copy: %s is no regular file", s.File)
	}
	if _, err := os.Stat(s.Shmfs); err != nil && s.Store == storeShmfs {
		return fmt.Errorf("the shmfs binary (run `make build`): %w", err)
	}
	return nil
}

// becomeRoot replaces this process by itself under sudo. It returns only on failure.
func becomeRoot(s setting, asJSON bool) error {
	sudo, err := exec.LookPath("sudo")
	if err != nil {
		return fmt.Errorf("looking for sudo: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	fmt.Fprintln(os.Stderr, "demo: mounting needs root: going on through sudo")
	return unix.Exec(sudo, []string{"sudo", "--", self, "-file", s.File, "-runs", fmt.Sprint(s.Runs), "-store", s.Store,
		"-shmfs", s.Shmfs, "-o", s.Options, "-examples", s.Examples, fmt.Sprintf("-json=%t", asJSON)}, os.Environ())
}
