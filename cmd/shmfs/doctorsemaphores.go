package main

import (
	"fmt"
	"strings"
	"time"

	"shmfs/fs/table"
)

// examineSemaphores looks for semaphores that nobody can use any more.
func (p *patient) examineSemaphores() []finding {
	all, err := readInfoTable(p.mount, "semaphores")
	if err != nil {
		return []finding{findingOf("semaphores", err)}
	}
	var findings []finding
	for _, row := range all.Rows {
		name := at(all, row, "NAME")
		switch {
		case at(all, row, "STATE") == unreadableState:
		case at(all, row, "STATE") != validState:
			findings = append(findings, finding{warning, "semaphores", fmt.Sprintf("the file of semaphore %q is no valid semaphore", name),
				"see why with shmfs sem get --all " + shellName(name) + ", and remove it with shmfs sem rm " + shellName(name)})
		case at(all, row, "VALUE") == "0" && at(all, row, "WAITERS") != "0" && p.isStuck(name):
			findings = append(findings, finding{warning, "semaphores",
				fmt.Sprintf("semaphore %q is stuck: %s wait, and nobody is left who could post", name, at(all, row, "WAITERS")), "let them go on with shmfs sem reset " + shellName(name)})
		}
	}
	if len(findings) == 0 {
		findings = append(findings, finding{fine, "semaphores", fmt.Sprintf("%d semaphores, none stuck or invalid", len(all.Rows)), ""})
	}
	return findings
}

func (p *patient) isStuck(name string) bool {
	state, found, err := (semaphore{name: name, mount: p.mount}).glance()
	return err == nil && found && state.Stuck == "yes"
}

// passing is how long a temporary file of glibc's may exist before it counts as left behind.
const passing = time.Minute

// mostCreators is how many unused objects are asked who created them.
const mostCreators = 50

// examineLeftovers looks for what programs left behind that ended early.
func (p *patient) examineLeftovers() []finding {
	objects, err := readObjects(p.mount, nil)
	if err != nil {
		return []finding{findingOf("leftovers", err)}
	}
	semaphores, err := readInfoTable(p.mount, "semaphores")
	if err != nil {
		return []finding{findingOf("leftovers", err)}
	}
	findings := judgeTemporaries(oldTemporaries(objects, semaphores, time.Now()))
	unused, err := findUnused(p.mount, nil)
	if err != nil {
		return append(findings, findingOf("leftovers", err))
	}
	findings = append(findings, p.judgeUnused(unused)...)
	if len(findings) == 0 {
		findings = append(findings, finding{fine, "leftovers", "nothing was left behind by programs that have ended", ""})
	}
	return findings
}

// oldTemporaries returns the names of files that glibc's sem_open would have removed at its end.
func oldTemporaries(objects, semaphores *table.Parsed, now time.Time) []string {
	valid := map[string]bool{}
	for _, row := range semaphores.Rows {
		valid[at(semaphores, row, "NAME")] = true
	}
	var old []string
	for _, row := range objects.Rows {
		file := at(objects, row, "NAME")
		name, found := strings.CutPrefix(file, semaphorePrefix)
		modified := parseTime(at(objects, row, "MODIFIED"))
		if found && isTemporaryName(name) && !valid[name] && at(objects, row, "OPENS") == "0" && now.Sub(modified) > passing {
			old = append(old, file)
		}
	}
	return old
}

func judgeTemporaries(old []string) []finding {
	if len(old) == 0 {
		return nil
	}
	return []finding{{warning, "leftovers",
		fmt.Sprintf("%d temporary files of sem_open were left behind, %s for example", len(old), old[0]), "remove them: shmfs rm " + strings.Join(old[:min(len(old), 5)], " ")}}
}

// judgeUnused tells of unused objects whose creators have ended.
func (p *patient) judgeUnused(unused []*unusedObject) []finding {
	orphans, example := 0, ""
	for _, one := range unused[:min(len(unused), mostCreators)] {
		stillUnused, err := one.lookUp()
		if err != nil || !stillUnused || !one.isOrphan() {
			continue
		}
		if orphans++; example == "" {
			example = one.name
		}
	}
	if orphans == 0 {
		return nil
	}
	atLeast := ""
	if len(unused) > mostCreators {
		atLeast = "at least "
	}
	return []finding{{note, "leftovers",
		fmt.Sprintf("%s%d of %d objects that nobody uses were created by processes that have ended, %q for example",
			atLeast, orphans, len(unused), example), "if nobody is to use them again: shmfs gc --dry-run, and shmfs gc --force"}}
}
