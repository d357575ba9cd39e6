package mmapcore

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// A tmpfs counts what it holds only while it has a limit, so that one without is given a limit that nobody reaches. Nothing outside of this
// file sees it.

// unreachable is that limit, in bytes.
const unreachable = 1 << 62

// Limit changes a live tmpfs store's Size, Inodes and Huge; the other options are ignored. EINVAL when it holds more than
// the new limits allow, and for a limit where there is none; then nothing has changed. EOPNOTSUPP for a directory.
func (s *Store) Limit(options TmpfsOptions) error {
	if s.mount < 0 {
		return fmt.Errorf("limiting a directory store: %w", unix.EOPNOTSUPP)
	}
	figures, err := s.figures()
	if err != nil {
		return err
	}
	if options.Size > 0 && isUnlimited(&figures) {
		return fmt.Errorf("limiting a store that has no limit: %w", unix.EINVAL)
	}
	context, err := storeCalls.fspick(s.mount, "", unix.FSPICK_EMPTY_PATH|unix.FSPICK_CLOEXEC)
	if err != nil {
		return fmt.Errorf("picking the store: %w", err)
	}
	defer storeCalls.close(context)
	if err := configure(context, limitParameters(options, counts(&figures))); err != nil {
		return err
	}
	if err := storeCalls.reconfigure(context); err != nil {
		return fmt.Errorf("changing the store's limits: %w", err)
	}
	return nil
}

type parameter struct{ key, value string }

// limitParameters are the limits as tmpfs takes them. counting says whether the store counts what it holds: one that does not, which an
// earlier version has made, cannot begin to.
func limitParameters(options TmpfsOptions, counting bool) []parameter {
	size := options.Size
	if size == 0 && counting {
		size = unreachable
	}
	parameters := []parameter{
		{"size", strconv.FormatInt(size, 10)},
		{"nr_inodes", strconv.FormatInt(options.Inodes, 10)},
	}
	if options.Huge != "" {
		parameters = append(parameters, parameter{"huge", options.Huge})
	}
	return parameters
}

func configure(context int, parameters []parameter) error {
	for _, p := range parameters {
		if err := storeCalls.fsconfigString(context, p.key, p.value); err != nil {
			return fmt.Errorf("setting the store's %s=%s: %w", p.key, p.value, err)
		}
	}
	return nil
}

// Usage returns the file system's own figures (statfs(2)): of a tmpfs without limit no blocks.
func (s *Store) Usage() (unix.Statfs_t, error) {
	figures, err := s.figures()
	if err == nil && !s.persistent && isUnlimited(&figures) {
		figures.Blocks, figures.Bfree, figures.Bavail = 0, 0, 0
	}
	return figures, err
}

// Taken returns how many bytes everything in a tmpfs store takes, in memory or swapped out: what st_blocks of all its inodes adds up to, with
// and without names, in a time that does not depend on how many there are. Two things it says late: that an inode is gone whose last
// descriptor or mapping has just been closed, and that the kernel has reclaimed pages of a hole that were only read, which shows when the
// file is looked at (stat(2)).
//
// EOPNOTSUPP for a directory, and for a tmpfs that does not count, which an earlier version has made.
func (s *Store) Taken() (int64, error) {
	if s.persistent {
		return 0, fmt.Errorf("asking what a directory store holds: %w", unix.EOPNOTSUPP)
	}
	figures, err := s.figures()
	if err != nil {
		return 0, err
	}
	if !counts(&figures) {
		return 0, fmt.Errorf("asking what a store holds that does not count: %w", unix.EOPNOTSUPP)
	}
	return int64(figures.Blocks-figures.Bfree) * figures.Bsize, nil
}

func (s *Store) figures() (unix.Statfs_t, error) {
	var figures unix.Statfs_t
	if err := storeCalls.fstatfs(s.root, &figures); err != nil {
		return figures, fmt.Errorf("reading the store's usage: %w", err)
	}
	return figures, nil
}

// counts says whether a tmpfs counts what it holds.
func counts(figures *unix.Statfs_t) bool { return figures.Blocks > 0 }

// isUnlimited says whether a tmpfs has no limit that anybody could reach.
func isUnlimited(figures *unix.Statfs_t) bool {
	return !counts(figures) || figures.Blocks == unreachable/uint64(figures.Bsize)
}
