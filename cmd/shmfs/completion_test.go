package main

import (
	"bytes"
	"strings"
	"testing"
)

// execute runs the command line, as far as it needs no mount.
func execute(arguments ...string) (output string, err error) {
	var text bytes.Buffer
	root := newRootCommand()
	root.SetArgs(arguments)
	root.SetOut(&text)
	root.SetErr(&text)
	err = root.Execute()
	return text.String(), err
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if command, _, err := newRootCommand().Find([]string{"completion", shell}); err != nil || command.Name() != shell {
			t.Errorf("%s: %v", shell, err)
		}
	}
	for _, arguments := range [][]string{{"completion"}, {"completion", "tcsh"}} {
		if _, err := execute(arguments...); codeOf(err) != exitUsage {
			t.Errorf("%q: %v", arguments, err)
		}
	}
}

// Whatever is wrong with a command line ends with 2 and a line that tells where help is or what to do, before any mount is looked at.
func TestUsageErrors(t *testing.T) {
	t.Setenv(mountVariable, t.TempDir()) // no mount: looking at it would be another error
	for _, line := range []string{
		"ls --what", "stat", "stat a b", "who a b", "create -s 1 a b", "create a", "create -s", "create -s 1X a", "create -s 1 -m 9 a",
		"create -s 1 .shmfs", "truncate a", "truncate -s x a", "rm", "rm a /", "dump", "dump --offset -1 a", "dump --interval x a", "load", "cat",
		"watch a", "stats a", "gc", "gc --dry-run --force", "gc --dry-run --older x", "ls .shmfs/objects", "doctor a", "version a", "quota", "quota st", "quota set 1000", "quota set --size 1", "quota set --size 1X 1000",
		"quota set --objects -1 1000", "quota set --size 1 1000 1001", "quota set --size 1 0", "quota set --size 1 root",
		"quota set --size 1 4294967295", "quota set --size 1 no-such-user", "quota get 1 2", "quota ls 1",
	} {
		output, err := execute(strings.Fields(line)...)
		if codeOf(err) != exitUsage || strings.Contains(errorLine(err), "\n") || output != "" {
			t.Errorf("%s ends with %d, %v, and prints %q", line, codeOf(err), err, output)
		}
	}
	for _, line := range []string{"ls", "stat a", "who", "create -s 1 a", "truncate -s 1 a", "rm a", "dump a", "cat a", "watch", "stats", "gc -n",
		"quota ls", "quota get", "quota get 1000", "quota set 1000 -s 1K -n none"} {
		if _, err := execute(strings.Fields(line)...); codeOf(err) != exitNotMounted {
			t.Errorf("%s where nothing is mounted ends with %d, %v", line, codeOf(err), err)
		}
	}
}
