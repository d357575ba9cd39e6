package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// resultDescriptor is the pipe on which the outer process expects the report.
const resultDescriptor = 3

// inside is the inner process, alone in its mount and IPC namespaces. The work directory is empty and its own.
func inside(directory string) int {
	unix.CloseOnExec(resultDescriptor)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	var s setting
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		fmt.Fprintln(os.Stderr, "demo: reading the setting:", err)
		return exitFailed
	}
	result, err := perform(ctx, s, directory)
	if ctx.Err() != nil && onlyInterrupted(err) {
		return exitInterrupted
	}
	if err == nil {
		err = json.NewEncoder(os.NewFile(resultDescriptor, "result")).Encode(result)
	}
	return exitStatus(err)
}

// interruption is an error that a signal has caused; errors of the undoing are never one.
type interruption struct{ error }

func onlyInterrupted(err error) bool {
	_, is := err.(interruption)
	return err == nil || is
}

// undoing collects what must be undone, in the order in which it was done.
type undoing []func() error

func (u *undoing) add(step func() error) { *u = append(*u, step) }

// undo undoes everything, the last first, and joins the errors to the one given.
func (u *undoing) undo(err error) error {
	for i := len(*u) - 1; i >= 0; i-- {
		if failure := (*u)[i](); failure != nil {
			err = errors.Join(err, failure)
		}
	}
	return err
}

// perform mounts, runs every transport, and undoes everything.
func perform(ctx context.Context, s setting, directory string) (result *report, err error) {
	var steps undoing
	defer func() {
		if ctx.Err() != nil && err != nil {
			err = interruption{err}
		}
		err = steps.undo(err)
	}()
	info, err := os.Stat(s.File)
	if err != nil {
		return nil, fmt.Errorf("the file to copy: %w", err)
	}
	if err := mountScratch(directory, info.Size()); err != nil {
		return nil, err
	}
	steps.add(func() error { return unmount(directory) })
	prepared, err := preparePrograms(ctx, s.Examples, directory)
	if err != nil {
		return nil, err
	}
	counting, err := newCounter(ctx, directory, &steps)
	if err != nil {
		return nil, err
	}
	if err := watchQueues(directory, &steps); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "demo: mounting %s on %s of a private mount namespace\n", s.Store, storeDirectory)
	mounted, err := mountStore(ctx, s, directory)
	if err != nil {
		return nil, err
	}
	steps.add(mounted.unmount)
	result, err = measure(ctx, s, prepared, counting, directory)
	if err != nil && ctx.Err() == nil {
		mounted.showLog()
	}
	return result, err
}

// mountScratch mounts a tmpfs for the compiled programs and the copies: what is compared is the transport, not the disk.
func mountScratch(directory string, size int64) error {
	const forPrograms = 64 << 20
	return mountKernel("tmpfs", directory, fmt.Sprintf("mode=0700,size=%d", size+forPrograms))
}

// watchQueues makes the undoing report message queues that were left.
func watchQueues(directory string, steps *undoing) error {
	queues := filepath.Join(directory, "queues")
	if err := mountKernel("mqueue", queues, ""); err != nil {
		return err
	}
	steps.add(func() error {
		entries, err := os.ReadDir(queues)
		for _, entry := range entries {
			err = errors.Join(err, fmt.Errorf("message queue /%s was left", entry.Name()))
		}
		return errors.Join(err, unmount(queues))
	})
	return nil
}
