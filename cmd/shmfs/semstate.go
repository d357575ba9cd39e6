package main

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// semaphoreState is what a semaphore's file tells, for programs: the names in JSON are part of the contract of `shmfs sem ls`.
type semaphoreState struct {
	Value   *int     `json:"value"`   // nil of what is no semaphore
	Waiters *int     `json:"waiters"` // nil of what is no semaphore
	Held    int      `json:"held"`
	Layout  string   `json:"layout"`  // glibc, musl, or - of what is no semaphore
	State   string   `json:"state"`   // ok, or invalid and why
	Initial *int     `json:"initial"` // nil where it is unknown
	Created string   `json:"created"`
	Stuck   string   `json:"stuck"` // yes, no or unknown
	Holders []holder `json:"holders"`
}

// holder is an open file that holds units.
type holder struct {
	Process int    `json:"pid"`
	Units   int    `json:"units"`
	Command string `json:"command"`
}

// textStart is what the text of every semaphore, and of every file that should be one, begins with.
const textStart = "value: "

// What a state begins with.
const (
	validState   = "ok"
	invalidState = "invalid"

	unreadableState = "unreadable" // of one that whoever asks may not read; only tables have it
)

var errNoSemaphoreText = errors.New("the text of a plain file, not of a semaphore")

// parseSemaphore reads the text of a semaphore's file. Lines that it does not know are passed over.
func parseSemaphore(text string) (semaphoreState, error) {
	state := semaphoreState{Layout: "-", Holders: []holder{}}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "value":
			state.Value = knownNumber(value)
		case "waiters":
			state.Waiters = knownNumber(value)
		case "state":
			state.State = value
		case "layout":
			state.Layout = value
		case "initial":
			state.Initial = knownNumber(value)
		case "created":
			state.Created = value
		case "stuck":
			state.Stuck = value
		case "held":
			if held := knownNumber(value); held != nil {
				state.Held = *held
			}
		case "holder":
			state.Holders = append(state.Holders, parseHolder(value))
		}
	}
	if state.State == "" || (state.State == validState && state.Value == nil) {
		return semaphoreState{}, errNoSemaphoreText
	}
	return state, nil
}

// knownNumber returns nil for the words that stand where no number is known.
func knownNumber(text string) *int {
	value, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	return &value
}

var holderLine = regexp.MustCompile(`^pid (\d+), units (\d+), command (".*")$`)

// parseHolder reads a line of its own kind; of any other the whole text stands for the command.
func parseHolder(text string) holder {
	fields := holderLine.FindStringSubmatch(text)
	if fields == nil {
		return holder{Command: text}
	}
	command, err := strconv.Unquote(fields[3])
	if err != nil {
		command = fields[3]
	}
	process, _ := strconv.Atoi(fields[1])
	units, _ := strconv.Atoi(fields[2])
	return holder{Process: process, Units: units, Command: command}
}
