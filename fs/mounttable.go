package fs

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountedDevice returns st_dev of the topmost shmfs at a path, out of the mount table alone: the daemon may not touch its mount.
func mountedDevice(mountpoint string) (uint64, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return 0, fmt.Errorf("reading the mount table: %w", err)
	}
	device, found := deviceIn(string(table), mountpoint)
	if !found {
		return 0, fmt.Errorf("finding %s in the mount table: %w", mountpoint, unix.ENOENT)
	}
	return device, nil
}

// inMountTable is how the kernel writes a path there.
var inMountTable = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`)

// deviceIn goes through a table as proc_pid_mountinfo(5) describes it. Of several mounts at a path the last is the topmost.
func deviceIn(table, mountpoint string) (device uint64, found bool) {
	point := inMountTable.Replace(mountpoint)
	for line := range strings.Lines(table) {
		own, system, _ := strings.Cut(line, " - ")
		fields := strings.Fields(own)
		if len(fields) < 5 || fields[4] != point || !strings.HasPrefix(system, fileSystemType+" ") {
			continue
		}
		before, after, _ := strings.Cut(fields[2], ":")
		major, majorErr := strconv.ParseUint(before, 10, 32)
		minor, minorErr := strconv.ParseUint(after, 10, 32)
		if majorErr == nil && minorErr == nil {
			device, found = unix.Mkdev(uint32(major), uint32(minor)), true
		}
	}
	return device, found
}
