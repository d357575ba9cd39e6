package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonSemaphore is an element of the list in JSON.
type jsonSemaphore struct {
	Name string `json:"name"`
	// Bytes is the name in base64 where it is no UTF-8: Name then shows the wrong bytes as U+FFFD.
	Bytes []byte `json:"name_bytes,omitempty"`
	semaphoreState
}

// writeJSON writes the list as an array, on one line.
func writeJSON(output io.Writer, all []listed) error {
	elements := make([]jsonSemaphore, len(all))
	for i, one := range all {
		elements[i] = jsonSemaphore{Name: one.name, semaphoreState: one.state}
		if !utf8.ValidString(one.name) {
			elements[i].Bytes = []byte(one.name)
		}
	}
	text, err := json.Marshal(elements)
	if err != nil {
		return fmt.Errorf("writing the list: %w", err)
	}
	_, err = fmt.Fprintln(output, escapeJSON(string(text)))
	return err
}

// escapeJSON escapes what JSON allows as it is and a terminal may obey: the control characters above ASCII, and DEL.
func escapeJSON(text string) string {
	var safe strings.Builder
	for _, character := range text {
		if strconv.IsPrint(character) {
			safe.WriteRune(character)
			continue
		}
		for _, unit := range utf16.Encode([]rune{character}) {
			fmt.Fprintf(&safe, `\u%04x`, unit)
		}
	}
	return safe.String()
}
