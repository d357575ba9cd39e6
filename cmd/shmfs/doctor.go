package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

const doctorHelp = `Look at what shmfs needs and at what may be wrong with a mount: the kernel and its features, how the mount works and why,
limits of memory and open files, /dev/shm and libc, semaphores that are stuck or invalid, what was left behind, and what ordinary
users need to mount. Every finding is ok, a note or a warning, with its remedy. It ends with 1 when there is a warning.

Without a mount only the machine is looked at.`

// level is how bad a finding is.
type level string

const (
	fine    level = "ok"
	note    level = "note"
	warning level = "warning"
)

var levelColours = map[level]string{fine: greenColour, note: yellowColour, warning: boldColour + redColour}

// finding is something that was looked at.
type finding struct {
	level  level
	topic  string // one word
	text   string
	remedy string // empty where none is needed
}

// patient is what is looked at. Files are read below root, so that tests can have a machine of their own.
type patient struct {
	root  string // before absolute paths; empty for the machine itself
	mount string // empty: there is none
	stats []keyValue
}

// read returns a file's text, and nothing of what cannot be read.
func (p *patient) read(path string) string {
	text, err := os.ReadFile(p.root + path)
	if err != nil {
		return ""
	}
	return string(text)
}

func (c *inspectCommand) newDoctorCommand() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:               "doctor [--json]",
		Short:             "Find out what is wrong, and the remedies",
		Long:              doctorHelp,
		Example:           "  shmfs doctor\n  shmfs doctor --json | jq '.[] | select(.level == \"warning\")'",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, _ []string) error {
			findings, err := c.examine()
			if err != nil {
				return err
			}
			if err := writeFindings(command.OutOrStdout(), findings, asJSON); err != nil {
				return err
			}
			return verdict(findings)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print an array of JSON objects")
	return command
}

// examine looks at the machine and, if there is one, at a mount.
func (c *inspectCommand) examine() ([]finding, error) {
	subject := &patient{}
	mount, err := chooseMount(c.mount)
	missing := codeOf(err) == exitNotMounted && c.mount == "" && os.Getenv(mountVariable) == ""
	if err != nil && !missing {
		return nil, err
	}
	findings := append(subject.examineKernel(), subject.examineDevice()...)
	findings = append(append(findings, subject.examineSharedMemory()...), subject.examineOrdinaryMounting()...)
	if missing {
		return append(findings, finding{note, "mount", "no shmfs is mounted", "mount one with shmfs mount MOUNTPOINT"}), nil
	}
	subject.mount = mount
	text, err := within(func() ([]byte, error) { return readInfo(mount, "stats") })
	if err != nil {
		return append(findings, findingOf("mount", err)), nil
	}
	subject.stats = parseKeyValues(text)
	findings = append(append(findings, subject.examineMode()...), subject.examineLimits()...)
	findings = append(append(findings, subject.examineOpenFiles()...), subject.examineSemaphores()...)
	return append(findings, subject.examineLeftovers()...), nil
}

// findingOf makes a warning of an error, whose remedy stands behind its last colon.
func findingOf(topic string, err error) finding {
	text, remedy := err.Error(), ""
	var coded *codedError
	if last := strings.LastIndex(text, ": "); last > 0 && errors.As(err, &coded) {
		text, remedy = text[:last], text[last+2:]
	}
	return finding{warning, topic, text, remedy}
}

// verdict ends the program with 1 when there is a warning.
func verdict(findings []finding) error {
	for _, one := range findings {
		if one.level == warning {
			return failure(exitFailure, "")
		}
	}
	return nil
}

func writeFindings(output io.Writer, findings []finding, asJSON bool) error {
	if asJSON {
		return writeFindingsJSON(output, findings)
	}
	colours := painter(takesColour(output))
	var text strings.Builder
	for _, one := range findings {
		label := colours.paint(levelColours[one.level], fmt.Sprintf("%-7s", one.level))
		fmt.Fprintf(&text, "%s  %-10s  %s\n", label, one.topic, printable(one.text))
		if one.remedy != "" {
			fmt.Fprintf(&text, "%21sremedy: %s\n", "", printable(one.remedy))
		}
	}
	_, err := io.WriteString(output, text.String())
	return err
}

func writeFindingsJSON(output io.Writer, findings []finding) error {
	lines := make([]string, len(findings))
	for i, one := range findings {
		element := &jsonObject{}
		element.add("level", one.level)
		element.add("topic", one.topic)
		element.addText("text", one.text)
		element.addText("remedy", one.remedy)
		var err error
		if lines[i], err = element.text(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(output, "[%s]\n", strings.Join(lines, ",\n"))
	return err
}
