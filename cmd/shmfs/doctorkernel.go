package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"shmfs/fs"
)

// passthroughKernel is the first version of Linux that offers passthrough.
var passthroughKernel = [2]int{6, 9}

// examineKernel looks at whether the kernel offers passthrough.
func (p *patient) examineKernel() []finding {
	release := strings.TrimSpace(p.read("/proc/sys/kernel/osrelease"))
	const remedy = "use Linux 6.9 or later with CONFIG_FUSE_PASSTHROUGH: until then mounts work in cached mode"
	version, err := kernelVersion(release)
	switch {
	case err != nil:
		return []finding{{note, "kernel", err.Error(), ""}}
	case version[0] < passthroughKernel[0] || version[0] == passthroughKernel[0] && version[1] < passthroughKernel[1]:
		return []finding{{note, "kernel", "Linux " + release + " is too old for passthrough", remedy}}
	}
	switch p.kernelOption(release, "CONFIG_FUSE_PASSTHROUGH") {
	case "n":
		return []finding{{note, "kernel", "Linux " + release + " was built without passthrough", remedy}}
	case "":
		return []finding{{fine, "kernel", "Linux " + release + " is new enough for passthrough (its configuration cannot be read)", ""}}
	}
	return []finding{{fine, "kernel", "Linux " + release + " offers passthrough", ""}}
}

func kernelVersion(release string) (version [2]int, err error) {
	if _, err := fmt.Sscanf(release, "%d.%d", &version[0], &version[1]); err != nil {
		return version, fmt.Errorf("the kernel's release %q says no version", release)
	}
	return version, nil
}

// kernelOption returns how the kernel was configured: y, m or n, or nothing where that cannot be read.
func (p *patient) kernelOption(release, option string) string {
	text := p.read("/boot/config-" + release)
	if text == "" {
		text = p.readCompressed("/proc/config.gz")
	}
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), option+"="); found {
			return value
		}
	}
	if text == "" {
		return ""
	}
	return "n"
}

func (p *patient) readCompressed(path string) string {
	file, err := os.Open(p.root + path)
	if err != nil {
		return ""
	}
	defer file.Close()
	reader, err := gzip.NewReader(file)
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		return ""
	}
	return string(text)
}

// examineDevice looks at whether this user may serve file systems.
func (p *patient) examineDevice() []finding {
	if err := requireDevice(); err != nil {
		return []finding{findingOf("fuse", err)}
	}
	if os.Geteuid() == 0 && !isCapable(unix.CAP_SYS_ADMIN) {
		return []finding{{warning, "fuse", "root has not the capability CAP_SYS_ADMIN here, without which there is no mounting",
			"run outside the container, or give it that capability"}}
	}
	return []finding{{fine, "fuse", fuseDevice + " can be opened", ""}}
}

// isCapable reports whether this process has a capability; false where it cannot be found out.
func isCapable(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var held [2]unix.CapUserData
	if err := unix.Capget(&header, &held[0]); err != nil {
		return false
	}
	return held[capability/32].Effective&(1<<(capability%32)) != 0
}

// examineMode tells how clients share memory, and why.
func (p *patient) examineMode() []finding {
	where := fmt.Sprintf("the shmfs on %s", p.mount)
	mode, reason := valueOf(p.stats, "mode"), valueOf(p.stats, "mode-reason")
	var findings []finding
	switch {
	case mode == "passthrough":
		findings = append(findings, finding{fine, "mode", where + " is in passthrough mode", ""})
	case mode == "":
		findings = append(findings, finding{warning, "mode", where + " does not tell its mode",
			"have it mounted by a daemon of this version"})
	default:
		findings = append(findings, finding{note, "mode", fmt.Sprintf("%s is in %s mode: %s", where, mode, reason), modeRemedy(reason)})
	}
	if daemon, own := valueOf(p.stats, "version"), fs.BuildVersion().String(); daemon != "" && daemon != own {
		findings = append(findings, finding{note, "version", fmt.Sprintf("the daemon is of version %s, this program of %s", daemon, own),
			"mount it again with this program"})
	}
	return findings
}

func modeRemedy(reason string) string {
	switch {
	case strings.Contains(reason, "by option"):
		return "mount without passthrough=off"
	case strings.Contains(reason, "CAP_SYS_ADMIN"), strings.Contains(reason, "not permitted"):
		return "mount as root, outside of containers"
	}
	return "mount as root on Linux 6.9 or later"
}
