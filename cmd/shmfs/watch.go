package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

const watchHelp = `Show what happens in the mount as it happens, an event a line: when, what, to which object, and by whom. It goes on until
it is interrupted (130) or the mount ends (7). A shmfs that is watched is in use: umount takes --lazy then.

With --json the events are printed as they come from the daemon, a JSON object a line. docs/inspection.md tells which there are.`

func (c *inspectCommand) newWatchCommand() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "watch [--json]",
		Short: "Show what happens",
		Long:  watchHelp,
		Example: "  shmfs watch\n" +
			`  shmfs watch --json | jq 'select(.event == "enospc")'`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, _ []string) error {
			mount, err := chooseMount(c.mount)
			if err != nil {
				return err
			}
			output := command.OutOrStdout()
			show := newEventWriter(painter(takesColour(output))).line
			if asJSON {
				show = escapeJSON
			}
			return watch(mount, output, show)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print the events as JSON objects")
	return command
}

// watch shows events until a signal comes or the mount ends. It returns while a read of its may still wait: the program ends.
func watch(mount string, output io.Writer, show func(line string) string) error {
	signals := notify(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	descriptor, err := openUninterrupted(mount+"/"+infoDirectory+"/events", unix.O_RDONLY, 0)
	if err != nil {
		return infoRefusal(mount, "events", err)
	}
	ended := make(chan error, 2)
	go func() { ended <- copyEvents(descriptorReader(descriptor), output, show) }()
	go func() { ended <- awaitUnmount(mount) }()
	for {
		select {
		case err := <-ended:
			return watchFailure(mount, err)
		case received := <-signals:
			if endsProgram(received) {
				return endedBy(received)
			}
		}
	}
}

// watchFailure says how the events ended.
func watchFailure(mount string, err error) error {
	switch {
	case errors.Is(err, io.EOF), isMountGone(err):
		return failure(exitNotMounted, "the shmfs on %s has ended: nothing more can happen in it", mount)
	case errors.Is(err, errWriting):
		return err
	}
	return infoRefusal(mount, "events", err)
}

var errWriting = errors.New("writing events")

// copyEvents shows line after line, and all that is there before it waits for more. It returns the error of the input or, wrapped in
// errWriting, of the output; never nil.
func copyEvents(input io.Reader, output io.Writer, show func(line string) string) error {
	lines := bufio.NewReaderSize(input, chunk)
	buffer := bufio.NewWriterSize(output, chunk)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			_ = buffer.Flush()
			return err
		}
		fmt.Fprintln(buffer, show(line[:len(line)-1]))
		if lines.Buffered() > 0 {
			continue
		}
		if err := buffer.Flush(); err != nil {
			return fmt.Errorf("%w: %w", errWriting, err)
		}
	}
}

// awaitUnmount returns io.EOF when the mount's file system is mounted nowhere any more in this mount namespace: open files keep a
// daemon alive that was lazily unmounted. The kernel tells of each change of the mount table.
func awaitUnmount(path string) error {
	found, err := requireShmfs(path)
	if err != nil {
		return err
	}
	descriptor, err := openUninterrupted("/proc/self/mountinfo", unix.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("watching the mount table: %w", err)
	}
	defer unix.Close(descriptor)
	for {
		mounts, err := mountTable()
		if err != nil {
			return err
		}
		if !isMounted(mounts, found.mount.device) {
			return io.EOF
		}
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLPRI}}, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("watching the mount table: %w", err)
		}
	}
}

func isMounted(mounts []mount, device string) bool {
	for _, entry := range mounts {
		if entry.device == device {
			return true
		}
	}
	return false
}
