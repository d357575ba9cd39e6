package greed

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// prober makes the calls that a modest user makes.
type prober struct {
	place string
	round int
}

func (p *prober) obey(words []string) (string, error) {
	durations := make([]time.Duration, 0, number(words[1]))
	for range number(words[1]) {
		start := time.Now()
		if err := p.probe(); err != nil {
			return "", err
		}
		durations = append(durations, time.Since(start))
	}
	slices.Sort(durations)
	return strconv.FormatInt(int64(durations[len(durations)/2]), 10), nil
}

// probe does what programs do with shared memory, once.
func (p *prober) probe() error {
	p.round++
	name := fmt.Sprintf("%s/%d/modest%d", p.place, os.Getuid(), p.round)
	descriptor, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("creating: %w", err)
	}
	defer unix.Close(descriptor)
	if err := unix.Ftruncate(descriptor, 16384); err != nil {
		return fmt.Errorf("truncating: %w", err)
	}
	memory, err := unix.Mmap(descriptor, 0, 16384, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping: %w", err)
	}
	memory[0], memory[8192] = 1, 1
	if err := unix.Munmap(memory); err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Stat(name, &stat); err != nil || stat.Size != 16384 {
		return fmt.Errorf("the size is %d, %w", stat.Size, err)
	}
	if err := unix.Rename(name, name+"'"); err != nil {
		return fmt.Errorf("renaming: %w", err)
	}
	if err := unix.Unlink(name + "'"); err != nil {
		return fmt.Errorf("unlinking: %w", err)
	}
	return nil
}
