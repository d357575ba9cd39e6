package lifecycle_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	directory := mountpoint(t)
	cases := []struct {
		arguments []string
		words     []string
	}{
		{nil, []string{"a command is missing", "--help"}},
		{[]string{"moutn", directory}, []string{`unknown command "moutn"`, `did you mean "mount"?`}},
		{[]string{"frobnicate"}, []string{`unknown command "frobnicate"`, "--help"}},
		{[]string{"--frobnicate"}, []string{"--frobnicate", "--help"}},
		{[]string{"mount"}, []string{"one mountpoint is needed, 0 were given", "shmfs mount --help"}},
		{[]string{"mount", ""}, []string{"the mountpoint is empty"}},
		{[]string{"mount", directory, directory}, []string{"one mountpoint is needed, 2 were given"}},
		{[]string{"mount", "-z", directory}, []string{"-z", "shmfs mount --help"}},
		{[]string{"mount", "-o"}, []string{"-o"}},
		{[]string{"mount", "-o", "sise=1G", directory}, []string{`unknown option "sise"`, `did you mean "size"?`}},
		{[]string{"mount", "-o", "size=-1", directory}, []string{`option "size=-1"`, "cannot be negative"}},
		{[]string{"mount", "-o", "size=9999999999G", directory}, []string{"beyond the largest number"}},
		{[]string{"mount", "-o", "ro", "-o", "commit=soon", directory}, []string{`"commit=soon"`, "strict, lazy"}},
		{[]string{"mount", "-o", "suid", directory}, []string{`option "suid"`, "nosuid", "leave it out"}},
		{[]string{"mount", "-o", "dev", directory}, []string{`option "dev"`, "nodev", "leave it out"}},
		{[]string{"mount", "-o", "require-passthrough,passthrough=off", directory}, []string{"contradicts"}},
		{[]string{"mount", "--log-level", "loud", directory}, []string{`--log-level "loud"`, "trace, debug, info"}},
		{[]string{"mount", "--log-format", "xml", directory}, []string{`--log-format "xml"`, "text, json"}},
		{[]string{"umount"}, []string{"one mountpoint is needed", "shmfs umount --help"}},
		{[]string{"umount", "-q", directory}, []string{"-q", "shmfs umount --help"}},
		{[]string{"version", "please"}, []string{"takes no arguments"}},
	}
	for _, c := range cases {
		t.Run(strings.Join(c.arguments, " "), func(t *testing.T) {
			requireFailure(t, shmfs(t, c.arguments...), 2, c.words...)
			requireUnmounted(t, directory)
		})
	}
}

func TestWrongMountpoints(t *testing.T) {
	t.Parallel()
	directory := mountpoint(t)
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "in the way")
	missing := filepath.Join(directory, "missing")
	cases := []struct {
		name      string
		arguments []string
		code      int
		words     []string
	}{
		{"mount on nothing", []string{"mount", missing}, 3, []string{missing + " does not exist", "mkdir -p"}},
		{"mount on a file", []string{"mount", file}, 3, []string{file + " is no directory", "give a directory"}},
		{"mount below a file", []string{"mount", file + "/below"}, 3, []string{"leads through something that is no directory"}},
		{"umount nothing", []string{"umount", missing}, 3, []string{missing + " does not exist"}},
		{"umount a directory", []string{"umount", directory}, 7, []string{"no shmfs is mounted on " + directory, "findmnt"}},
		{"umount another file system", []string{"umount", "/proc"}, 7, []string{"no shmfs is mounted on /proc"}},
		{"umount a file", []string{"umount", file}, 7, []string{"no shmfs is mounted on " + file}},
		{"remount a directory", []string{"mount", "-o", "remount,size=1G", directory}, 7, []string{"no shmfs is mounted"}},
		{"remount nothing", []string{"mount", "-o", "remount,size=1G", missing}, 3, []string{"does not exist"}},
		{"missing store", []string{"mount", "-o", "store=" + missing, directory}, 1, []string{missing, "create the directory first"}},
		{"store a file", []string{"mount", "-o", "store=" + file, directory}, 1, []string{"no directory"}},
		{"store at the mountpoint", []string{"mount", "-o", "store=" + directory, directory}, 1, []string{"may not lie in one another"}},
		{"store above the mountpoint", []string{"mount", "-o", "store=" + filepath.Dir(directory), directory}, 1,
			[]string{"may not lie in one another"}},
		{"log file nowhere", []string{"mount", "--log-file", missing + "/log", directory}, 1, []string{missing + "/log", "--log-file"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			requireFailure(t, shmfs(t, c.arguments...), c.code, c.words...)
			requireUnmounted(t, directory)
		})
	}
}

func TestHelpListsEveryExitCode(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{{"help", "exit-codes"}, {"mount", "--help"}, {"umount", "--help"}} {
		got := shmfs(t, arguments...)
		if got.code != 0 || got.stderr != "" {
			t.Errorf("%v: exit code %d, %s", arguments, got.code, got.stderr)
		}
		for code := range 9 {
			if !regexp.MustCompile(`(?m)^  ` + string(rune('0'+code)) + `  [a-z]`).MatchString(got.stdout) {
				t.Errorf("shmfs %v does not tell what exit code %d means:\n%s", arguments, code, got.stdout)
			}
		}
	}
}

func TestHelpListsEveryOption(t *testing.T) {
	t.Parallel()
	help := shmfs(t, "mount", "--help").stdout
	for _, option := range []string{"size=", "nr_inodes=", "mode=", "uid=", "gid=", "huge=", "ro", "noexec", "commit=", "store=",
		"passthrough=", "require-passthrough", "allow_other", "fsname=", "remount", "--log-level", "--log-format", "--log-file"} {
		if !strings.Contains(help, option) {
			t.Errorf("shmfs mount --help does not name %s", option)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := shmfs(t, "version")
	if !regexp.MustCompile(`^shmfs \S.*, go1\.\d+\S*, linux/\w+\n$`).MatchString(got.stdout) || got.code != 0 {
		t.Errorf("version says %q and ends with %d", got.stdout, got.code)
	}
	short := shmfs(t, "--version")
	if short.code != 0 || !strings.HasPrefix(got.stdout, strings.TrimSuffix(short.stdout, "\n")) {
		t.Errorf("--version says %q, version %q", short.stdout, got.stdout)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := shmfs(t, "completion", shell); got.code != 0 || !strings.Contains(got.stdout, "shmfs") {
			t.Errorf("completion for %s: exit code %d, %d bytes", shell, got.code, len(got.stdout))
		}
	}
	got := shmfs(t, "__complete", "mount", "--log-level", "")
	if !strings.Contains(got.stdout, "debug") {
		t.Errorf("no log level is completed: %s", got.stdout)
	}
}
