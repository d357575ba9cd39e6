package top

import (
	"math"
	"strconv"
	"strings"
	"time"

	"shmfs/fs/table"
)

// parseFacts reads lines of `key: value`. What is no such line is passed over.
func parseFacts(text []byte) []Fact {
	var facts []Fact
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if found {
			facts = append(facts, Fact{key, value})
		}
	}
	return facts
}

func parseStats(text []byte) Stats {
	stats := Stats{}
	for _, fact := range parseFacts(text) {
		stats[fact.Key] = fact.Value
	}
	return stats
}

// number returns a figure, 0 if it is not there.
func (s Stats) number(key string) int64 {
	return number(s[key])
}

// uptime returns how long the mount is there.
func (s Stats) uptime() time.Duration {
	seconds, err := strconv.ParseFloat(s["uptime-seconds"], 64)
	if err != nil || seconds < 0 || seconds > math.MaxInt64/float64(time.Second) {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// number reads a number of a table, 0 for what is none.
func number(word string) int64 {
	value, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return 0
	}
	return value
}

func moment(word string) time.Time {
	when, err := time.Parse(time.RFC3339Nano, word)
	if err != nil {
		return time.Time{}
	}
	return when
}

// eachRow reads a table and hands over its rows, as a function that returns the field of a column: "" where there is no such column.
func eachRow(text []byte, visit func(field func(column string) string)) error {
	parsed, err := table.Parse(text)
	if err != nil {
		return err
	}
	columns := make(map[string]int, len(parsed.Header))
	for i, name := range parsed.Header {
		columns[name] = i
	}
	for _, row := range parsed.Rows {
		visit(func(column string) string {
			i, found := columns[column]
			if !found {
				return ""
			}
			return row[i]
		})
	}
	return nil
}

func parseObjects(text []byte) (all []Object, err error) {
	err = eachRow(text, func(field func(string) string) {
		inode, _ := strconv.ParseUint(field("INODE"), 10, 64)
		all = append(all, Object{Name: field("NAME"), Type: field("TYPE"), Size: number(field("SIZE")), Charged: number(field("CHARGED")),
			Resident: number(field("RESIDENT")), Mode: field("MODE"), UID: field("UID"), GID: field("GID"), Links: number(field("LINKS")),
			Opens: number(field("OPENS")), Inode: inode, Modified: moment(field("MODIFIED"))})
	})
	return all, err
}

func parseSemaphores(text []byte) (all []Semaphore, err error) {
	err = eachRow(text, func(field func(string) string) {
		all = append(all, Semaphore{Name: field("NAME"), Value: field("VALUE"), Waiters: field("WAITERS"), Held: field("HELD"),
			Initial: field("INITIAL"), Layout: field("LAYOUT"), State: field("STATE"), Mode: field("MODE"), UID: field("UID"), GID: field("GID"),
			Created: moment(field("CREATED"))})
	})
	return all, err
}

func parseMappings(text []byte) (all []Mapping, err error) {
	err = eachRow(text, func(field func(string) string) {
		all = append(all, Mapping{Object: field("OBJECT"), PID: field("PID"), User: field("USER"), Command: field("COMMAND"),
			Length: lengthOf(field("START-END")), Resident: number(field("RESIDENT")), Offset: number(field("OFFSET")),
			Protection: field("PROTECTION"), Sharing: field("SHARING")})
	})
	return all, err
}

// lengthOf returns the length of a range of hexadecimal addresses, in bytes.
func lengthOf(addresses string) int64 {
	first, second, _ := strings.Cut(addresses, "-")
	start, startErr := strconv.ParseUint(first, 16, 64)
	end, endErr := strconv.ParseUint(second, 16, 64)
	if startErr != nil || endErr != nil || end < start {
		return 0
	}
	return int64(end - start)
}

func parseOpenings(text []byte) (all []Opening, err error) {
	err = eachRow(text, func(field func(string) string) {
		all = append(all, Opening{Object: field("OBJECT"), PID: field("PID"), User: field("USER"), Command: field("COMMAND"),
			Flags: field("FLAGS"), Since: moment(field("SINCE"))})
	})
	return all, err
}

// countMappers tells of each object how many processes map it.
func countMappers(objects []Object, mappings []Mapping) {
	processes := make(map[string]map[string]struct{})
	for _, mapping := range mappings {
		if processes[mapping.Object] == nil {
			processes[mapping.Object] = make(map[string]struct{})
		}
		processes[mapping.Object][mapping.PID] = struct{}{}
	}
	for i := range objects {
		objects[i].Mappers = len(processes[objects[i].Name])
	}
}
