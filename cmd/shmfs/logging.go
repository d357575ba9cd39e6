package main

import (
	"fmt"
	"io"
	"log"
	"log/syslog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

var (
	logLevels  = []string{"trace", "debug", "info", "warn", "error", "off"}
	logFormats = []string{"text", "json"}
)

// logSettings is what the command line says about the log.
type logSettings struct {
	level  string
	format string
	file   string

	inherited  int      // descriptor of the file, in a process that another of the mount has started; else 0
	foreground bool     // log to standard error where no file is named
	opened     *os.File // the file, for processes that are started
}

func (s *logSettings) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&s.level, "log-level", "info", "least severe messages to log: "+strings.Join(logLevels, ", "))
	flags.StringVar(&s.format, "log-format", "text", "form of a log line: "+strings.Join(logFormats, ", "))
	flags.StringVar(&s.file, "log-file", "", "file to append the log to")
	_ = command.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions(logLevels, cobra.ShellCompDirectiveNoFileComp))
	_ = command.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions(logFormats, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses unknown names, and makes the file's path one that holds in every working directory.
func (s *logSettings) check() error {
	if !slices.Contains(logLevels, s.level) {
		return failure(exitUsage, "--log-level %q: it must be one of %s", s.level, strings.Join(logLevels, ", "))
	}
	if !slices.Contains(logFormats, s.format) {
		return failure(exitUsage, "--log-format %q: it must be one of %s", s.format, strings.Join(logFormats, ", "))
	}
	if s.file == "" {
		return nil
	}
	path, err := filepath.Abs(s.file)
	if err != nil {
		return fmt.Errorf("finding --log-file %s: %w", s.file, err)
	}
	s.file = path
	return nil
}

// arguments returns the flags that say the same again.
func (s *logSettings) arguments() []string {
	flags := []string{"--log-level", s.level, "--log-format", s.format}
	if s.file != "" {
		flags = append(flags, "--log-file", s.file)
	}
	return flags
}

// addInherited adds the flags of a process that another of the mount starts.
func (s *logSettings) addInherited(command *cobra.Command) {
	s.addFlags(command)
	command.Flags().BoolVar(&s.foreground, "foreground", false, "log to standard error")
	command.Flags().IntVar(&s.inherited, "log-descriptor", 0, "descriptor to log to")
}

// bequeath has a process that is started log to the same place, whatever lies at its path by then. The file comes after those that the
// command has already.
func (s *logSettings) bequeath(command *exec.Cmd) {
	command.Args = append(command.Args, "--log-level", s.level, "--log-format", s.format)
	if s.opened != nil {
		descriptor := linkDescriptor + len(command.ExtraFiles)
		command.Args = append(command.Args, "--log-descriptor", strconv.Itoa(descriptor))
		command.ExtraFiles = append(command.ExtraFiles, s.opened)
	} else if s.foreground {
		command.Args = append(command.Args, "--foreground")
	}
}

// open makes the log of a process that has that part in the mount: in the file if one is named, else on standard error in the
// foreground, else in the system's log if the machine has one. What libraries write to the standard log package goes there too.
func (s *logSettings) open(part string) (hclog.Logger, error) {
	output, timed, err := s.output()
	if err != nil {
		return nil, err
	}
	logger := hclog.New(&hclog.LoggerOptions{
		Name:        "shmfs." + part,
		Level:       hclog.LevelFromString(s.level),
		Output:      output,
		JSONFormat:  s.format == "json",
		DisableTime: !timed,
	})
	log.SetFlags(0)
	log.SetPrefix("")
	log.SetOutput(logger.Named("library").StandardWriter(&hclog.StandardLoggerOptions{InferLevels: true}))
	return logger, nil
}

// output returns where the log goes, and whether its lines need the time.
func (s *logSettings) output() (io.Writer, bool, error) {
	switch {
	case s.inherited > 0:
		unix.CloseOnExec(s.inherited)
		return s.intoFile(os.NewFile(uintptr(s.inherited), "log"))
	case s.file != "":
		file, err := os.OpenFile(s.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return nil, false, fmt.Errorf("opening the log: %w: give --log-file a path that can be written", err)
		}
		return s.intoFile(file)
	case s.foreground:
		return os.Stderr, true, nil
	}
	system, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "shmfs")
	if err != nil { // a machine without a system log
		return io.Discard, true, nil
	}
	// The system log takes each line's severity and puts the time before it.
	return hclog.NewLeveledWriter(system, map[hclog.Level]io.Writer{
		hclog.Trace: severity(system.Debug),
		hclog.Debug: severity(system.Debug),
		hclog.Warn:  severity(system.Warning),
		hclog.Error: severity(system.Err),
	}), false, nil
}

func (s *logSettings) intoFile(file *os.File) (io.Writer, bool, error) {
	// A crash of the runtime itself would else be told to nobody.
	if err := debug.SetCrashOutput(file, debug.CrashOptions{}); err != nil {
		return nil, false, fmt.Errorf("sending crashes to the log: %w", err)
	}
	s.opened = file
	return file, true, nil
}

// severity is one of the system log's methods as a writer.
type severity func(string) error

func (write severity) Write(line []byte) (int, error) {
	if err := write(string(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
