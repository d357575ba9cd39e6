package main

import (
	"fmt"
	"io"
	"log"
	"log/syslog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
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

// open makes the log: in the file if one is named, else on standard error in the foreground, else in the system's log if
// the machine has one. What libraries write to the standard log package goes there too.
func (s *logSettings) open(foreground bool) (hclog.Logger, error) {
	output, timed, err := s.output(foreground)
	if err != nil {
		return nil, err
	}
	logger := hclog.New(&hclog.LoggerOptions{
		Name:        "shmfs",
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
func (s *logSettings) output(foreground bool) (io.Writer, bool, error) {
	switch {
	case s.file != "":
		file, err := os.OpenFile(s.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return nil, false, fmt.Errorf("opening the log: %w: give --log-file a path that can be written", err)
		}
		// A crash of the runtime itself would else be told to nobody.
		if err := debug.SetCrashOutput(file, debug.CrashOptions{}); err != nil {
			return nil, false, fmt.Errorf("sending crashes to the log: %w", err)
		}
		return file, true, nil
	case foreground:
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

// severity is one of the system log's methods as a writer.
type severity func(string) error

func (write severity) Write(line []byte) (int, error) {
	if err := write(string(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
