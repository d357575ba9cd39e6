package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sharedMemory is the machine's own tmpfs, which the rows that say so are measured against. bench makes one directory
// there and removes it. Only kernels mount over it, where nobody else sees it: in mount namespaces of their own.
const sharedMemory = "/dev/shm"

// commandLimit bounds mounting and unmounting, so that a hung daemon is reported and not waited for.
const commandLimit = time.Minute

// place is a directory to measure in.
type place struct {
	directory string
	daemon    *daemon // nil where the kernel alone serves
}

// settle waits until deferred work that earlier calls caused here is done.
func (p place) settle(ctx context.Context) error {
	if p.daemon == nil {
		return nil
	}
	if err := settle(ctx, p.daemon.consumed); err != nil {
		return fmt.Errorf("waiting for the daemon of %s: %w", p.directory, err)
	}
	return nil
}

// places makes what is measured in, once for each set of options, and takes all of it away in close. Not for concurrent use.
type places struct {
	kind   string // what stands in the target's column: shmfs or tmpfs
	binary string // of shmfs
	base   string // holds the mountpoints
	known  map[string]place
	undo   []func() error
}

func newPlaces(kind, binary, base string) *places {
	return &places{kind: kind, binary: binary, base: base, known: map[string]place{}}
}

// target is a mount of what is measured, with shmfs's options; each purpose has a mount of its own.
func (p *places) target(purpose, options string) (place, error) {
	if p.kind == "tmpfs" {
		return p.tmpfs("target "+purpose, tmpfsOptions(options))
	}
	name := fmt.Sprintf("shmfs %s %s", purpose, options)
	return p.once(name, func(dir string) (place, error) { return p.mountShmfs(dir, options) })
}

// tmpfs is a plain tmpfs with the given mount data; each purpose has a mount of its own.
func (p *places) tmpfs(purpose, options string) (place, error) {
	name := fmt.Sprintf("tmpfs %s %s", purpose, options)
	return p.once(name, func(dir string) (place, error) { return p.mountTmpfs(dir, options) })
}

// shared is a directory of bench's own in /dev/shm.
func (p *places) shared() (place, error) {
	return p.once("shared", func(string) (place, error) {
		var about unix.Statfs_t
		if err := unix.Statfs(sharedMemory, &about); err != nil {
			return place{}, fmt.Errorf("looking at %s: %w", sharedMemory, err)
		}
		if about.Type != unix.TMPFS_MAGIC {
			return place{}, fmt.Errorf("%s is no tmpfs (file system magic %#x): nothing to compare with", sharedMemory, about.Type)
		}
		dir, err := os.MkdirTemp(sharedMemory, fmt.Sprintf("shmfs-bench-%d-", os.Getpid()))
		if err != nil {
			return place{}, fmt.Errorf("making a directory in %s: %w", sharedMemory, err)
		}
		p.undo = append(p.undo, func() error { return os.RemoveAll(dir) })
		return place{directory: dir}, nil
	})
}

// once makes the place of this name at first use; make gets a new empty directory.
func (p *places) once(name string, make func(dir string) (place, error)) (place, error) {
	if made, ok := p.known[name]; ok {
		return made, nil
	}
	dir, err := os.MkdirTemp(p.base, "mount-")
	if err != nil {
		return place{}, fmt.Errorf("making a mountpoint: %w", err)
	}
	made, err := make(dir)
	if err != nil {
		return place{}, err
	}
	p.known[name] = made
	return made, nil
}

func (p *places) mountTmpfs(dir, options string) (place, error) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return place{}, fmt.Errorf("mounting tmpfs with %q (bench needs root): %w", options, err)
	}
	p.undo = append(p.undo, func() error { return unmount(dir) })
	return place{directory: dir}, nil
}

func (p *places) mountShmfs(dir, options string) (place, error) {
	arguments := []string{"mount", "--log-file", dir + ".log"}
	if options != "" {
		arguments = append(arguments, "-o", options)
	}
	p.undo = append(p.undo, func() error { return p.unmountShmfs(dir) })
	if err := runBounded(p.binary, append(arguments, dir)...); err != nil {
		return place{}, err
	}
	serving, err := findDaemon(dir)
	if err != nil {
		return place{}, err
	}
	return place{directory: dir, daemon: serving}, nil
}

// unmountShmfs also copes with a mount that failed halfway: it leaves nothing mounted.
func (p *places) unmountShmfs(dir string) error {
	mounted, err := isMountpoint(dir)
	if err != nil || !mounted {
		return err
	}
	failure := runBounded(p.binary, "umount", dir)
	mounted, err = isMountpoint(dir)
	if err != nil {
		return errors.Join(failure, err)
	}
	if mounted {
		return errors.Join(fmt.Errorf("%s is still mounted after shmfs umount", dir), failure, unmount(dir))
	}
	return failure
}

// close removes everything, the last made first, and reports all that could not be removed.
func (p *places) close() error {
	var failures []error
	for at := len(p.undo) - 1; at >= 0; at-- {
		failures = append(failures, p.undo[at]())
	}
	p.undo, p.known = nil, map[string]place{}
	return errors.Join(failures...)
}

// unmount detaches as a last resort, so that nothing stays visible; that it had to is an error all the same.
func unmount(dir string) error {
	err := unix.Unmount(dir, 0)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("unmounting %s: %w", dir, err), unix.Unmount(dir, unix.MNT_DETACH))
}

func isMountpoint(dir string) (bool, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, fmt.Errorf("reading the mount table: %w", err)
	}
	return strings.Contains(string(table), " "+dir+" "), nil
}

// runBounded runs a command that must end by itself, with its output in the error.
func runBounded(program string, arguments ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	output, err := exec.CommandContext(ctx, program, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(arguments, " "), err, output)
	}
	return nil
}

// tmpfsOptions keeps of shmfs's options those that tmpfs has too.
func tmpfsOptions(options string) string {
	var kept []string
	for option := range strings.SplitSeq(options, ",") {
		if name, _, _ := strings.Cut(option, "="); name != "commit" && option != "" {
			kept = append(kept, option)
		}
	}
	return strings.Join(kept, ",")
}
