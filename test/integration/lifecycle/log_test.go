package lifecycle_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

func readLog(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLogOfOneLife(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	writeFile(t, log, "what was there before\n")
	directory := mounted(t, "--log-file", log, "-o", "size=8M")
	unmount(t, directory)
	text, found := strings.CutPrefix(readLog(t, log), "what was there before\n")
	if !found {
		t.Error("the log file was not appended to")
	}
	for _, words := range []string{"starting: version=", "mountpoint=" + directory, "size=8388608", "mode=", "stopped"} {
		if !strings.Contains(text, words) {
			t.Errorf("the log does not say %q:\n%s", words, text)
		}
	}
	if count := strings.Count(text, "\n"); count > 5 {
		t.Errorf("an uneventful life takes %d lines:\n%s", count, text)
	}
}

func TestLogLinesInJSON(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	directory := mounted(t, "--log-file", log, "--log-format", "json", "--log-level", "debug")
	process := daemonOf(t, directory)
	writeFile(t, filepath.Join(directory, "object"), "text")
	file := openObject(t, directory)
	daemon := watch(t, process)
	daemon.signal(t, unix.SIGTERM)
	awaitUnmounted(t, directory)
	_ = file.Close()
	if !daemon.ended(t, patience) {
		t.Fatal("the daemon does not end")
	}
	messages := map[string]map[string]any{}
	for line := range strings.Lines(readLog(t, log)) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("no JSON: %v: %s", err, line)
			continue
		}
		for _, name := range []string{"@level", "@message", "@timestamp", "@module"} {
			if text, ok := fields[name].(string); !ok || text == "" {
				t.Errorf("no %s: %s", name, line)
			}
		}
		messages[fields["@message"].(string)] = fields
	}
	start := messages["starting"]
	if start["mountpoint"] != directory || start["version"] == "" {
		t.Errorf("the line of the start is %v", start)
	}
	if options, ok := start["options"].(string); !ok || !strings.Contains(options, "commit=strict") {
		t.Errorf("the options in the line of the start are %v", start["options"])
	}
	if stop := messages["stopping"]; stop["signal"] != "terminated" {
		t.Errorf("the line of the signal is %v", stop)
	}
	if messages["stopped"] == nil {
		t.Errorf("there is no line of the stop:\n%s", readLog(t, log))
	}
}

func TestLogLevelLeavesOutWhatIsLessSevere(t *testing.T) {
	t.Parallel()
	for level, lines := range map[string]int{"off": 0, "error": 0, "warn": 0, "info": 3} {
		log := filepath.Join(t.TempDir(), "log")
		unmount(t, mounted(t, "--log-file", log, "--log-level", level))
		if count := strings.Count(readLog(t, log), "\n"); lines == 0 && count > 0 || count < lines {
			t.Errorf("at level %s there are %d lines:\n%s", level, count, readLog(t, log))
		}
	}
}

// Without --log-file a daemon in the background writes to the system's log, each line with its severity.
func TestLogGoesToTheSystem(t *testing.T) {
	t.Parallel()
	place, directory := mountpoint(t), mountpoint(t)
	socket := filepath.Join(place, "socket")
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// The log's socket stands in a /dev of the commands' own, which is gone when they have ended.
	script := `set -e; mount -t tmpfs -o mode=755 tmpfs /mnt
for file in null urandom fuse; do touch /mnt/$file; mount --bind /dev/$file /mnt/$file; done
touch /mnt/log; mount --bind "$1" /mnt/log; mount --rbind /mnt /dev
"$2" mount "$3"; "$2" umount "$3"`
	command := exec.Command(rig.Program(t, "unshare"), "--mount", "/bin/sh", "-c", script, "sh", socket, rig.Binary(t), directory)
	requireSuccess(t, run(t, command))
	lines := receiveUntil(t, log, "stopped")
	const daemonInfo = "<30>" // facility daemon, severity informational
	for _, words := range []string{daemonInfo, "shmfs[", "starting: version=", "stopped"} {
		if !strings.Contains(lines, words) {
			t.Errorf("the system's log does not say %q:\n%s", words, lines)
		}
	}
}

// receiveUntil collects messages up to the one that holds the words.
func receiveUntil(t *testing.T, socket *net.UnixConn, words string) string {
	t.Helper()
	if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	line := make([]byte, 4096)
	for !strings.Contains(lines.String(), words) {
		length, err := socket.Read(line)
		if err != nil {
			t.Fatalf("waiting for %q: %v; so far:\n%s", words, err, &lines)
		}
		lines.Write(line[:length])
		lines.WriteByte('\n')
	}
	return lines.String()
}
