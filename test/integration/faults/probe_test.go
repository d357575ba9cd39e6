package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// checkup is what a probe says when it ends: how long each of its calls took, by name.
type checkup struct {
	Wrong string
	Times map[string]*times
}

// runProbe looks whether a daemon is well, again and again, until its input ends: it creates a file, looks at it and removes it, and
// reads the stats.
func runProbe(argument string) error {
	runtime.LockOSThread()
	var asked order
	if err := json.Unmarshal([]byte(argument), &asked); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	var ended atomic.Bool
	fmt.Println("ready")
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		ended.Store(true)
	}()
	found := checkup{Times: map[string]*times{}}
	for !ended.Load() && found.Wrong == "" {
		if err := found.probe(asked.Place); err != nil {
			found.Wrong = fmt.Sprintf("the probe: %v", err)
		}
		pause(5 * time.Millisecond)
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func (c *checkup) probe(place string) error {
	path := filepath.Join(place, fmt.Sprintf("probe-%d", os.Getpid()))
	descriptor := -1
	measure := func(name string, do func() error) error {
		start := now()
		err := do()
		if c.Times[name] == nil {
			c.Times[name] = &times{}
		}
		c.Times[name].add(span{name, start, now()})
		return err
	}
	return errors.Join(
		measure("create", func() (err error) {
			descriptor, err = unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
			return err
		}),
		measure("stat", func() error { return unix.Lstat(path, &unix.Stat_t{}) }),
		measure("unlink", func() error { return unix.Unlink(path) }),
		measure("close", func() error { return unix.Close(descriptor) }),
		measure("stats", func() error {
			text, err := readFile(filepath.Join(place, ".shmfs", "stats"))
			if err == nil && text == "" {
				err = errors.New("stats is empty")
			}
			return err
		}),
	)
}
