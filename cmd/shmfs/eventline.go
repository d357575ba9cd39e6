package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"shmfs/fs/table"
)

// event is a line of the mount's events, as docs/inspection.md tells.
type event struct {
	Time        time.Time    `json:"time"`
	Event       string       `json:"event"`
	Object      string       `json:"object"`
	ObjectBytes []byte       `json:"object-bytes"` // where the name is no UTF-8
	Inode       uint64       `json:"inode"`
	PID         int          `json:"pid"`
	UID         *json.Number `json:"uid"`
	Command     string       `json:"command"`
	To          string       `json:"to"`
	ToBytes     []byte       `json:"to-bytes"` // where the name is no UTF-8
	Size        *int64       `json:"size"`
	Wanted      *int64       `json:"wanted"`
}

// plainKeys are the further keys whose values are shown as they are, in this order.
var plainKeys = []string{"type", "flags", "opens", "links", "mode", "owner", "group", "units", "value", "count"}

// eventColours tell kinds of events apart. What is not in it has no colour.
var eventColours = map[string]string{
	"create": greenColour, "unlink": redColour, "rename": yellowColour, "link": yellowColour, "chmod": yellowColour, "resize": yellowColour,
	"open": blueColour, "close": blueColour, "sem-post": cyanColour, "sem-wait": cyanColour,
	"holder-died": magentaColour, "worker-restarted": magentaColour,
	"enospc": boldColour + redColour, "quota": boldColour + redColour, "dropped": boldColour + redColour,
}

// eventWriter makes lines for people of events.
type eventWriter struct {
	painter
	users map[string]string // names by number
}

func newEventWriter(colours painter) *eventWriter {
	return &eventWriter{colours, map[string]string{}}
}

// line makes a line of an event's JSON. What is no such JSON is shown as it is, as far as it is printable.
func (w *eventWriter) line(text string) string {
	var told event
	var values map[string]any
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	if json.Unmarshal([]byte(text), &told) != nil || decoder.Decode(&values) != nil || told.Event == "" {
		return printable(text)
	}
	parts := []string{
		told.Time.Local().Format("15:04:05.000000"),
		w.paint(eventColours[told.Event], fmt.Sprintf("%-11s", printableField(told.Event))),
		told.subject(),
	}
	for _, key := range plainKeys {
		if value, found := values[key]; found {
			parts = append(parts, key+"="+printableField(fmt.Sprint(value)))
		}
	}
	if told.Size != nil {
		parts = append(parts, "size="+humanSize(*told.Size))
	}
	if told.Wanted != nil {
		parts = append(parts, "wanted="+humanSize(*told.Wanted))
	}
	return strings.Join(append(parts, w.author(&told)...), " ")
}

// subject is the object, and what it is renamed or linked to.
func (e *event) subject() string {
	var subject string
	switch {
	case e.Object != "":
		subject = eventName(e.Object, e.ObjectBytes)
	case e.Inode != 0:
		subject = "#" + strconv.FormatUint(e.Inode, 10)
	default:
		return "-"
	}
	if e.To != "" {
		subject += " -> " + eventName(e.To, e.ToBytes)
	}
	return subject
}

// eventName is a name fit for a line, with the bytes it really has.
func eventName(name string, bytes []byte) string {
	if len(bytes) > 0 {
		name = string(bytes)
	}
	return table.Escape(name)
}

// author is who did it, as far as that is told.
func (w *eventWriter) author(told *event) []string {
	var words []string
	if told.Command != "" || told.PID != 0 {
		words = append(words, fmt.Sprintf("by %s[%d]", table.Escape(told.Command), told.PID))
	}
	if told.UID == nil {
		return words
	}
	number := told.UID.String()
	if _, known := w.users[number]; !known {
		w.users[number] = printableField(userName(number))
	}
	return append(words, "user="+w.users[number])
}
