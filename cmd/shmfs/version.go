package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// build says which source this program was made of.
type build struct {
	version  string
	commit   string
	modified bool
}

// buildVersion reads what the Go linker recorded. A build outside a checkout has a version but no commit.
func buildVersion() build {
	found := build{version: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return found
	}
	if info.Main.Version != "" {
		found.version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			found.commit = setting.Value
		case "vcs.modified":
			found.modified = setting.Value == "true"
		}
	}
	return found
}

// String returns the version and, where there is one, the commit.
func (b build) String() string {
	words := []string{b.version}
	if b.commit != "" {
		words = append(words, "commit "+b.commit)
	}
	if b.modified {
		words = append(words, "modified")
	}
	return strings.Join(words, ", ")
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version, the commit and the platform of this program",
		Args: func(command *cobra.Command, arguments []string) error {
			if len(arguments) > 0 {
				return failure(exitUsage, "it takes no arguments: see %s --help", command.CommandPath())
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(command.OutOrStdout(), "shmfs %s, %s, %s/%s\n",
				buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
