package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shmfs/fs/table"
)

// mountFigures is one call of `shmfs stats`.
type mountFigures struct {
	json  bool
	bytes bool
}

func (c *inspectCommand) newStatsCommand() *cobra.Command {
	figures := mountFigures{}
	command := &cobra.Command{
		Use:   "stats [--bytes | --json]",
		Short: "Show the mount's figures",
		Long: `Show how the mount works (passthrough or cached, and why), how much of what is in it, and how many requests of each kind the
daemon had, with which errors and how long they took.`,
		Example: "  shmfs stats\n" +
			"  shmfs stats --json | jq '.\"bytes-resident\"'",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, _ []string) error {
			mount, err := chooseMount(c.mount)
			if err != nil {
				return err
			}
			text, err := readInfo(mount, "stats")
			if err != nil {
				return err
			}
			return figures.show(parseKeyValues(text), command.OutOrStdout())
		},
	}
	command.Flags().BoolVar(&figures.json, "json", false, "print a JSON object")
	command.Flags().BoolVarP(&figures.bytes, "bytes", "b", false, "print sizes in bytes and times in seconds")
	return command
}

// wordFigures are the keys that have no numbers, even where they look like some.
var wordFigures = []string{"mode", "mode-reason", "protocol", "version", "commit", "store"}

func (f mountFigures) show(pairs []keyValue, output io.Writer) error {
	if f.json {
		all := &jsonObject{}
		for _, pair := range pairs {
			if slices.Contains(wordFigures, pair.key) {
				all.addValue(pair.key, pair.value)
			} else {
				all.addField(pair.key, numberKind, pair.value)
			}
		}
		return writeJSONLine(output, all)
	}
	requests, rest := requestTable(pairs)
	for i := range rest {
		rest[i] = f.forPeople(rest[i])
	}
	width := 0
	for _, pair := range rest {
		width = max(width, len(pair.key)+1)
	}
	var text strings.Builder
	for _, pair := range rest {
		fmt.Fprintf(&text, "%-*s %s\n", width, printable(pair.key)+":", printable(pair.value))
	}
	if len(requests) > 0 {
		text.WriteByte('\n')
		text.Write(f.requestLines(requests))
	}
	_, err := io.WriteString(output, text.String())
	return err
}

// forPeople writes a figure for people.
func (f mountFigures) forPeople(pair keyValue) keyValue {
	switch {
	case pair.value == "0" && strings.HasSuffix(pair.key, "-limit"):
		pair.value = "none"
	case f.bytes:
	case strings.HasPrefix(pair.key, "bytes-"):
		if bytes, err := strconv.ParseInt(pair.value, 10, 64); err == nil {
			pair.value = humanSize(bytes)
		}
	case strings.HasSuffix(pair.key, "-seconds"):
		if seconds, err := strconv.ParseFloat(pair.value, 64); err == nil {
			pair = keyValue{strings.TrimSuffix(pair.key, "-seconds"), humanAge(seconds)}
		}
	}
	return pair
}

// requestFigures is what is told of one kind of requests.
type requestFigures struct {
	kind    string
	count   string
	errors  []string          // such as ENOENT:3
	latency map[string]string // seconds by p50, p90, p99 and max
}

// requestTable takes out of the figures what is told of each kind of requests, in the order of the kinds.
func requestTable(pairs []keyValue) (requests []*requestFigures, rest []keyValue) {
	of := func(kind string) *requestFigures {
		for _, known := range requests {
			if known.kind == kind {
				return known
			}
		}
		requests = append(requests, &requestFigures{kind: kind, latency: map[string]string{}})
		return requests[len(requests)-1]
	}
	for _, pair := range pairs {
		topic, about, _ := strings.Cut(pair.key, "-")
		last := strings.LastIndexByte(strings.TrimSuffix(about, "-seconds"), '-')
		switch {
		case topic == "requests" && about != "":
			of(about).count = pair.value
		case topic == "errors" && last > 0:
			figures := of(about[:last])
			figures.errors = append(figures.errors, about[last+1:]+":"+pair.value)
		case topic == "latency" && last > 0 && strings.HasSuffix(about, "-seconds"):
			of(about[:last]).latency[strings.TrimSuffix(about[last+1:], "-seconds")] = pair.value
		default:
			rest = append(rest, pair)
		}
	}
	slices.SortFunc(requests, func(a, b *requestFigures) int { return strings.Compare(a.kind, b.kind) })
	return requests, rest
}

var latencies = []string{"p50", "p90", "p99", "max"}

func (f mountFigures) requestLines(requests []*requestFigures) []byte {
	columns := []table.Column{{Name: "REQUEST"}, {Name: "COUNT", Align: table.Right}}
	for _, quantile := range latencies {
		columns = append(columns, table.Column{Name: strings.ToUpper(quantile), Align: table.Right})
	}
	text := table.New(append(columns, table.Column{Name: "ERRORS"})...)
	for _, request := range requests {
		text.Append(request.kind, request.count)
		for _, quantile := range latencies {
			text.Add(f.latency(request.latency[quantile]))
		}
		text.Add(strings.Join(request.errors, ","))
	}
	return text.Text()
}

// latency is a time in seconds for people.
func (f mountFigures) latency(seconds string) string {
	value, err := strconv.ParseFloat(seconds, 64)
	if err != nil || f.bytes {
		return seconds
	}
	duration := time.Duration(value * float64(time.Second))
	switch {
	case duration >= 10*time.Second:
		return duration.Round(time.Second).String()
	case duration >= 10*time.Millisecond:
		return duration.Round(time.Millisecond).String()
	}
	return duration.Round(time.Microsecond).String()
}
