package fs

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"shmfs/objects"

	"bazil.org/fuse"
)

// writerOf is who writes, as far as clearing setuid and setgid goes.
func writerOf(request fuse.Request) *objects.Writer {
	header := request.Hdr()
	return &objects.Writer{InGroup: func(group uint32) bool {
		return header.Uid == 0 || header.Gid == group || hasGroup(header.Pid, group)
	}}
}

// hasGroup says whether a process has a supplementary group, which requests do not carry. A process that is gone has none.
func hasGroup(pid, group uint32) bool {
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if list, found := strings.CutPrefix(lines.Text(), "Groups:"); found {
			return slices.Contains(strings.Fields(list), strconv.FormatUint(uint64(group), 10))
		}
	}
	return false
}
