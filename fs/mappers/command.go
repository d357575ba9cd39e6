package mappers

import (
	"strconv"
	"strings"
)

// Command returns the id of the process that a process or thread belongs to, and the name of what it runs, at most 15 bytes
// (/proc/[pid]/comm). When it is gone, they are the id given and no name.
func Command(process int) (id int, command string) {
	status, err := readString("/proc/" + strconv.Itoa(process) + "/status")
	if err != nil {
		return process, ""
	}
	id = process
	for line := range strings.Lines(status) {
		if group, found := strings.CutPrefix(line, "Tgid:"); found {
			if number, err := strconv.Atoi(strings.TrimSpace(group)); err == nil {
				id = number
			}
			break
		}
	}
	command, err = readString("/proc/" + strconv.Itoa(id) + "/comm")
	if err != nil {
		return process, ""
	}
	return id, strings.TrimSuffix(command, "\n")
}
