package lifecycle_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Root inside a user namespace, as in a rootless container, may mount but not register backing files: cached mode is chosen by
// itself, and the mount can be asked, changed and unmounted from there.
func TestRootOfAUserNamespace(t *testing.T) {
	t.Parallel()
	directory, log := mountpoint(t), filepath.Join(t.TempDir(), "log")
	program := programForAll(t)
	script := `set -e
		"$0" mount --log-file "$2" -o size=8M "$1"
		echo text > "$1/object" && cat "$1/object" && ln "$1/object" "$1/link" && chmod 400 "$1/link" && rm "$1/object"
		! truncate -s 9M "$1/large" 2>/dev/null
		"$0" mount -o remount,size=16M "$1"
		truncate -s 9M "$1/large" && rm "$1/large" && stat -c %a "$1/link"
		echo 3 > "$1/sem.jobs" && echo post > "$1/sem.jobs" && head -n 1 "$1/sem.jobs"
		"$0" umount "$1"`
	got := run(t, exec.Command("unshare", "-Urm", "--propagation", "private", "/bin/sh", "-c", script, program, directory, log))
	if got.code != 0 || got.stdout != "text\n400\nvalue: 4\n" {
		t.Errorf("exit code %d, %q %s", got.code, got.stdout, got.stderr)
	}
	if text := readLog(t, log); !strings.Contains(text, "mode=cached") || !strings.Contains(text, "operation not permitted") {
		t.Errorf("the log does not say that and why the mode is cached:\n%s", text)
	}
	requireFailure(t, run(t, exec.Command("unshare", "-Urm", "--propagation", "private", program, "mount", "-o", "require-passthrough",
		directory)), 6, "passthrough")
}
