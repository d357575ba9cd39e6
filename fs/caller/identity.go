package caller

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Identity is what the kernel goes by when it decides what a thread may see.
type Identity struct {
	UID, GID     uint32   // for file system access, as requests name them
	Groups       []uint32 // supplementary
	Capabilities uint64   // effective, a bit each; those that this process does not have itself count for nothing
}

// All are all capabilities.
const All = ^uint64(0)

func (i *Identity) has(capability int) bool { return i.Capabilities&(1<<capability) != 0 }

// Of returns the identity of the thread or process that asks: user and group as its request says, supplementary groups and capabilities as
// /proc says. It should be called while the request is waited for. What cannot be found out is left out: a process that is gone
// or has another user meanwhile, or one of another PID namespace (pid 0), has neither groups nor capabilities; one in another user namespace has no
// capabilities, whatever it may do there.
func Of(pid, uid, gid uint32) Identity {
	identity := Identity{UID: uid, GID: gid}
	if pid == 0 {
		return identity
	}
	// Both files through one descriptor, which stands for this process and for no other that gets its number.
	process, err := unix.Open(fmt.Sprintf("/proc/%d", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return identity
	}
	defer unix.Close(process)
	status, err := readAt(process, "status")
	if err != nil {
		return identity
	}
	found, err := parseStatus(status)
	if err != nil || found.UID != uid || found.GID != gid {
		return identity
	}
	if own := ownNamespace(); own == "" || linkAt(process, "ns/user") != own {
		found.Capabilities = 0
	}
	return found
}

// ownNamespace is the user namespace of this process, empty if it cannot be known.
var ownNamespace = sync.OnceValue(func() string {
	link, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return ""
	}
	return link
})

func readAt(directory int, name string) ([]byte, error) {
	descriptor, err := unix.Openat(directory, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s of a process: %w", name, err)
	}
	defer unix.Close(descriptor)
	var text []byte
	part := make([]byte, 4096)
	for {
		length, err := unix.Read(descriptor, part)
		if err != nil {
			return nil, fmt.Errorf("reading %s of a process: %w", name, err)
		}
		if length == 0 {
			return text, nil
		}
		text = append(text, part[:length]...)
	}
}

// linkAt returns where a link points, empty if that may not be known.
func linkAt(directory int, name string) string {
	target := make([]byte, 64)
	length, err := unix.Readlinkat(directory, name, target)
	if err != nil {
		return ""
	}
	return string(target[:length])
}

// parseStatus reads what /proc/PID/status says of an identity.
func parseStatus(status []byte) (Identity, error) {
	var identity Identity
	lines := 0
	for line := range bytes.Lines(status) {
		key, rest, _ := strings.Cut(string(line), ":")
		values := strings.Fields(rest)
		var err error
		switch key {
		case "Uid":
			identity.UID, err = forFiles(values)
		case "Gid":
			identity.GID, err = forFiles(values)
		case "Groups":
			identity.Groups, err = numbers(values)
		case "CapEff":
			identity.Capabilities, err = strconv.ParseUint(strings.TrimSpace(rest), 16, 64)
		default:
			continue
		}
		if err != nil {
			return Identity{}, fmt.Errorf("reading %q in the status of a process: %w", line, err)
		}
		lines++
	}
	if lines != 4 {
		return Identity{}, fmt.Errorf("the status of a process has %d of 4 lines", lines)
	}
	return identity, nil
}

// forFiles returns the last of the real, effective, saved and file system ids.
func forFiles(values []string) (uint32, error) {
	ids, err := numbers(values)
	if err != nil || len(ids) != 4 {
		return 0, fmt.Errorf("these are not four ids: %w", err)
	}
	return ids[3], nil
}

func numbers(values []string) ([]uint32, error) {
	var all []uint32
	for _, value := range values {
		number, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return nil, err
		}
		all = append(all, uint32(number))
	}
	return all, nil
}
