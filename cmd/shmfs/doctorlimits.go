package main

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// nearlyFull is the share, in percent, from which on a limit is warned of.
const nearlyFull = 90

// examineLimits looks at how the mount's limits fit the machine, and how much is left of them.
func (p *patient) examineLimits() []finding {
	findings := p.examineSize()
	if used := p.percent("inodes-used", "inodes-limit"); used >= nearlyFull {
		findings = append(findings, finding{warning, "inodes", fmt.Sprintf("%d%% of the mount's files and directories are used", used),
			"remove objects, or have it remounted with a larger nr_inodes"})
	}
	if strings.TrimSpace(p.read("/proc/sys/vm/overcommit_memory")) == "2" {
		findings = append(findings, finding{note, "memory",
			"vm.overcommit_memory is 2: the kernel may refuse pages that the mount has promised",
			"set it to 0 with sysctl vm.overcommit_memory=0, or keep the mount's size well below the commit limit"})
	}
	return findings
}

func (p *patient) examineSize() []finding {
	limit, machine, group := p.figure("bytes-limit"), p.memory(), p.groupLimit()
	inMemory := valueOf(p.stats, "store") == "tmpfs"
	remedy := "have it remounted with a smaller size: shmfs mount -o remount,size=SIZE " + p.mount
	used := p.percent("bytes-charged", "bytes-limit")
	switch {
	case limit == 0 && inMemory:
		return []finding{{note, "memory", "the mount has no limit: objects can fill the machine's memory", remedy}}
	case limit == 0:
		return []finding{{fine, "memory", "the mount is limited by the file system of its store", ""}}
	case inMemory && machine > 0 && limit > machine:
		return []finding{{warning, "memory", fmt.Sprintf("the mount's size, %s, is more than the machine's memory and swap, %s: "+
			"using it all would call the OOM killer", humanSize(limit), humanSize(machine)), remedy}}
	case inMemory && group > 0 && limit > group:
		return []finding{{warning, "memory", fmt.Sprintf("the mount's size, %s, is more than the daemon's memory cgroup allows, %s",
			humanSize(limit), humanSize(group)), remedy}}
	case used >= nearlyFull:
		return []finding{{warning, "memory", fmt.Sprintf("%d%% of the mount's %s are used", used, humanSize(limit)),
			"see what can go with shmfs gc --dry-run, or have it remounted with a larger size"}}
	}
	return []finding{{fine, "memory", fmt.Sprintf("%d%% of the mount's %s are used", used, humanSize(limit)), ""}}
}

// figure returns a number of the stats, 0 where there is none.
func (p *patient) figure(key string) int64 {
	number, _ := strconv.ParseInt(valueOf(p.stats, key), 10, 64)
	return number
}

// percent returns how much is used of a limit, 0 where there is none.
func (p *patient) percent(used, limit string) int64 {
	most := p.figure(limit)
	if most <= 0 {
		return 0
	}
	return int64(float64(p.figure(used)) / float64(most) * 100)
}

// memory returns the machine's memory and swap in bytes, 0 where that is not known.
func (p *patient) memory() int64 {
	sum := int64(0)
	for line := range strings.Lines(p.read("/proc/meminfo")) {
		var kilobytes int64
		if _, err := fmt.Sscanf(line, "MemTotal: %d kB", &kilobytes); err == nil {
			sum += kilobytes << 10
		}
		if _, err := fmt.Sscanf(line, "SwapTotal: %d kB", &kilobytes); err == nil {
			sum += kilobytes << 10
		}
	}
	return sum
}

// groupLimit returns the least memory.max of the daemon's cgroup and those above it, 0 where there is none.
func (p *patient) groupLimit() int64 {
	least := int64(0)
	for line := range strings.Lines(p.read("/proc/" + valueOf(p.stats, "pid") + "/cgroup")) {
		group, found := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for ; found && strings.HasPrefix(group, "/"); group = path.Dir(group) {
			most, err := strconv.ParseInt(strings.TrimSpace(p.read("/sys/fs/cgroup"+group+"/memory.max")), 10, 64)
			if err == nil && (least == 0 || most < least) {
				least = most
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

// examineOpenFiles looks at how many files the daemon may have open.
func (p *patient) examineOpenFiles() []finding {
	process := valueOf(p.stats, "pid")
	var limit int64
	for line := range strings.Lines(p.read("/proc/" + process + "/limits")) {
		if _, err := fmt.Sscanf(line, "Max open files %d", &limit); err == nil {
			break
		}
	}
	if limit == 0 {
		return nil // another user's daemon
	}
	open := p.figure("handles")
	if entries, err := os.ReadDir(p.root + "/proc/" + process + "/fd"); err == nil {
		open = int64(len(entries))
	}
	const least = 10000
	switch {
	case open*100 >= limit*nearlyFull:
		return []finding{{warning, "files", fmt.Sprintf("the daemon has %d files open of %d that it may", open, limit),
			"mount again with a higher limit (ulimit -n, LimitNOFILE= in systemd)"}}
	case limit < least:
		return []finding{{note, "files", fmt.Sprintf("the daemon may have only %d files open, one for each open object", limit),
			"mount as root, or after ulimit -n with a higher number"}}
	}
	return []finding{{fine, "files", fmt.Sprintf("the daemon has %d files open of %d that it may", open, limit), ""}}
}
