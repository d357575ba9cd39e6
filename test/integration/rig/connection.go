package rig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// abort cuts the FUSE connection behind a mountpoint, so that what hangs in it returns with an error. It reads only
// mountinfo: any call on the mountpoint itself could hang as well. A mountpoint that is no FUSE mount is left alone.
func abort(t testing.TB, mountpoint string) {
	t.Helper()
	connection := connectionOf(t, mountpoint)
	if connection == "" {
		return
	}
	if err := os.WriteFile(filepath.Join("/sys/fs/fuse/connections", connection, "abort"), []byte("1"), 0o200); err != nil {
		t.Errorf("aborting the connection of %s: %v", mountpoint, err)
	}
}

// connectionOf returns the FUSE connection number of the topmost mount at a mountpoint: its device's minor number.
func connectionOf(t testing.TB, mountpoint string) string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	connection := ""
	for line := range strings.Lines(string(table)) {
		mount, filesystem, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if len(fields) < 5 || fields[4] != mountpoint {
			continue
		}
		connection = ""
		if strings.HasPrefix(filesystem, "fuse") {
			_, connection, _ = strings.Cut(fields[2], ":")
		}
	}
	return connection
}
