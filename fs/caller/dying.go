package caller

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// harmless are the signals that end no process that does not handle them, a bit each.
const harmless = 1<<(unix.SIGCHLD-1) | 1<<(unix.SIGCONT-1) | 1<<(unix.SIGSTOP-1) | 1<<(unix.SIGTSTP-1) | 1<<(unix.SIGTTIN-1) |
	1<<(unix.SIGTTOU-1) | 1<<(unix.SIGURG-1) | 1<<(unix.SIGWINCH-1)

// Dying says whether a thread is about to end: a signal has come that ends its process. So it is said of one that is gone, and of one that cannot
// be looked at (thread 0: of another PID namespace).
func Dying(thread uint32) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return true
	}
	return diesBy(status)
}

// diesBy says whether what /proc/PID/status tells is of a thread that is about to end.
func diesBy(status []byte) bool {
	masks := make(map[string]uint64)
	for line := range bytes.Lines(status) {
		key, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "State":
			if strings.HasPrefix(value, "Z") || strings.HasPrefix(value, "X") {
				return true
			}
		case "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt":
			mask, err := strconv.ParseUint(value, 16, 64)
			if err != nil {
				return true
			}
			masks[key] = mask
		}
	}
	const kill = 1 << (unix.SIGKILL - 1) // which is also what the kernel makes of others that end the process
	pending := masks["SigPnd"] | masks["ShdPnd"]
	return pending&kill != 0 || pending&^(masks["SigBlk"]|masks["SigIgn"]|masks["SigCgt"]|harmless) != 0
}
