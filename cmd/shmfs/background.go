package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/fs"
)

// reportFlag is the hidden flag by which a mount process knows that it is the one in the background.
const reportFlag = "report-descriptor"

// programFlag is the hidden flag by which it knows where the program is on disk.
const programFlag = "program"

// startLimit is how long a mount may take to become ready.
const startLimit = time.Minute

// report is what the process in the background tells the one that started it, once.
type report struct {
	Ready bool
	Error string
	Code  int
}

// startInBackground starts this program again in a session of its own and returns when the mount answers.
func (c *mountCommand) startInBackground(target string, options fs.Options) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making the pipe to the daemon: %w", err)
	}
	defer reader.Close()
	const inherited = 3 // the first descriptor behind the standard ones
	arguments := []string{"mount", "--" + reportFlag, strconv.Itoa(inherited), "-o", options.String()}
	if c.metrics != "" {
		arguments = append(arguments, "--metrics-listen", c.metrics)
	}
	arguments = append(append(arguments, c.log.arguments()...), "--"+programFlag, programPath(), "--", target)
	command := exec.Command("/proc/self/exe", arguments...)
	command.Args[0] = os.Args[0]
	command.Dir = "/"
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "NOTIFY_SOCKET=") // who runs this program waits for its exit, not for a message
	})
	// What this process happened to inherit, a lock perhaps, is not to be held for as long as the mount lasts.
	if err := unix.CloseRange(inherited, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("keeping inherited files from the daemon: %w", err)
	}
	command.ExtraFiles = []*os.File{writer}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP) // until the process ends: its status tells of the mount
	err = command.Start()
	writer.Close()
	if err != nil {
		return fmt.Errorf("starting the daemon: %w", err)
	}
	if err := awaitReport(command, reader, signals); err != nil {
		return err
	}
	if err := requireAnswer(target); err != nil {
		stopDaemon(command)
		return err
	}
	return nil
}

// awaitReport returns when the daemon has said that it is ready, or why it is not. It does not leave a daemon behind that
// is not ready.
func awaitReport(command *exec.Cmd, reader io.Reader, signals <-chan os.Signal) error {
	type outcome struct {
		report report
		err    error
	}
	outcomes := make(chan outcome, 1)
	go func() {
		var told report
		err := json.NewDecoder(reader).Decode(&told)
		outcomes <- outcome{told, err}
	}()
	timer := time.NewTimer(startLimit)
	defer timer.Stop()
	select {
	case got := <-outcomes:
		switch {
		case got.err != nil:
			return fmt.Errorf("the daemon ended before its mount was ready: %v: see its log", waitText(command.Wait()))
		case !got.report.Ready:
			_ = command.Wait() // it has said why, and is on its way out
			return failure(got.report.Code, "%s", got.report.Error)
		}
		return nil
	case received := <-signals:
		stopDaemon(command)
		return fmt.Errorf("stopped by %v before the mount was ready", received)
	case <-timer.C:
		stopDaemon(command)
		return fmt.Errorf("the mount was not ready within %v and was given up", startLimit)
	}
}

// waitText says how a process ended, also when it ended well.
func waitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// requireAnswer returns when the mount has answered a request.
func requireAnswer(target string) error {
	figures, err := within(func() (unix.Statfs_t, error) {
		var figures unix.Statfs_t
		err := unix.Statfs(target, &figures)
		return figures, err
	})
	if err != nil {
		return fmt.Errorf("the mount on %s does not answer: %w", target, err)
	}
	if figures.Type != unix.FUSE_SUPER_MAGIC {
		return fmt.Errorf("the mount on %s was covered or removed by someone else before it was ready", target)
	}
	return nil
}

// stopDaemon has a daemon unmount and end, and kills it when it does not.
func stopDaemon(command *exec.Cmd) {
	_ = command.Process.Signal(unix.SIGTERM)
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		_ = command.Process.Kill()
	}
}

// serveInBackground is the life of the process that startInBackground started.
func (c *mountCommand) serveInBackground(target string, options fs.Options) error {
	pipe := os.NewFile(uintptr(c.reportTo), "report")
	if pipe == nil {
		return failure(exitUsage, "--%s %d is no descriptor", reportFlag, c.reportTo)
	}
	unix.CloseOnExec(c.reportTo)
	told := false
	tell := func(message report) error {
		told = true
		err := json.NewEncoder(pipe).Encode(message)
		return errors.Join(err, pipe.Close())
	}
	nameProcess()
	s, err := c.newSupervisor(target)
	if err == nil {
		s.ready = func() error { return tell(report{Ready: true}) }
		err = s.mount(options, c.metrics)
	}
	if err == nil {
		err = s.run()
	}
	if err != nil && !told {
		_ = tell(report{Error: err.Error(), Code: codeOf(err)})
	}
	return err
}
