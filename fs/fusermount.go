package fs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// fusermount is the program, setuid root, that mounts for ordinary users.
const fusermount = "fusermount3"

// fusermountSocket is fusermount3's descriptor of the socket to hand the device over on: the first behind the standard
// streams. It is told by the environment.
const fusermountSocket = "_FUSE_COMMFD=3"

// mountByFusermount lets fusermount3 mount for an ordinary user.
func (m *mounting) mountByFusermount() (int, facts, error) {
	device, err := m.requestMount()
	if err != nil {
		return -1, facts{}, fmt.Errorf("mounting on %s through %s: %w", m.mountpoint, fusermount, err)
	}
	agreed, err := m.agree(device, false)
	if err != nil {
		_ = unix.Close(device) // aborts the connection, so that the unmount cannot wait for an answer
		return -1, facts{}, errors.Join(err, releaseMount(m.mountpoint))
	}
	return device, agreed, nil
}

// requestMount has fusermount3 mount and returns the device of the mount. What fusermount3 says of its failure is the error.
func (m *mounting) requestMount() (device int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket: %w", err)
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "fusermount")
	command := exec.Command(fusermount, "-o", fusermountOptions(m.options), "--", m.mountpoint)
	command.Env = append(os.Environ(), fusermountSocket)
	command.ExtraFiles = []*os.File{theirs}
	output, err := command.CombinedOutput()
	_ = theirs.Close()
	said := fusermountSaid(string(output))
	switch {
	case err != nil && said != "":
		return -1, errors.New(said)
	case err != nil:
		return -1, err
	case said != "":
		m.log.Warn(fusermount, "said", said)
	}
	device, err = receiveDescriptor(pair[0])
	if err != nil {
		return -1, fmt.Errorf("receiving the device: %w", err)
	}
	return device, nil
}

// fusermountOptions are a mount's options as fusermount3 takes them; nosuid and nodev it adds itself.
func fusermountOptions(options Options) string {
	words := []string{"fsname=" + escapeValue(options.FSName), "subtype=shmfs", "default_permissions"}
	if options.AllowOther {
		words = append(words, "allow_other")
	}
	if options.ReadOnly {
		words = append(words, "ro")
	}
	if options.NoExec {
		words = append(words, "noexec")
	}
	return strings.Join(words, ",")
}

// fusermountSaid makes one line of what fusermount3 wrote, without what it complains of on every machine that keeps its
// configuration from ordinary users.
func fusermountSaid(output string) string {
	const commonplace = fusermount + ": failed to open /etc/fuse.conf: Permission denied"
	var lines []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && line != commonplace {
			lines = append(lines, strings.TrimPrefix(line, fusermount+": "))
		}
	}
	return strings.Join(lines, "; ")
}

// releaseMount has fusermount3 take away a mount that nobody serves.
func releaseMount(mountpoint string) error {
	output, err := exec.Command(fusermount, "-u", "-z", "--", mountpoint).CombinedOutput()
	if err != nil {
		return fmt.Errorf("unmounting %s through %s: %w: %s", mountpoint, fusermount, err, fusermountSaid(string(output)))
	}
	return nil
}
