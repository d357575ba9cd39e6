package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// objectStatus is one call of `shmfs stat`.
type objectStatus struct {
	json  bool
	bytes bool
}

func (c *inspectCommand) newStatCommand() *cobra.Command {
	status := objectStatus{}
	command := &cobra.Command{
		Use:   "stat [--bytes | --json] NAME",
		Short: "Show one object in full",
		Long: `Show everything about an object: sizes, owner, times, who created it, who maps it and who has it open. Of a semaphore its
value, waiters and holders too.`,
		Example: "  shmfs stat frames\n" +
			"  shmfs stat --json frames | jq '.mapper[].pid'",
		Args:              oneObject,
		ValidArgsFunction: c.completeObject,
		RunE: func(command *cobra.Command, arguments []string) error {
			target, err := c.object(arguments[0])
			if err != nil {
				return err
			}
			return status.show(target, command.OutOrStdout())
		},
	}
	command.Flags().BoolVar(&status.json, "json", false, "print a JSON object")
	command.Flags().BoolVarP(&status.bytes, "bytes", "b", false, "print sizes in bytes only")
	return command
}

func (s objectStatus) show(target object, output io.Writer) error {
	pairs, err := target.status()
	if err != nil {
		return err
	}
	if s.json {
		return writeStatusJSON(output, pairs)
	}
	var text strings.Builder
	for _, pair := range pairs {
		fmt.Fprintf(&text, "%s: %s%s\n", printable(pair.key), printable(pair.value), s.amount(pair))
	}
	_, err = io.WriteString(output, text.String())
	return err
}

// amount is a size for people, to stand behind the bytes.
func (s objectStatus) amount(pair keyValue) string {
	bytes, err := strconv.ParseInt(pair.value, 10, 64)
	if s.bytes || err != nil || bytes < 1024 || !slices.Contains(sizeKeys, pair.key) {
		return ""
	}
	return " (" + humanSize(bytes) + ")"
}

// status reads what the mount tells of an object.
func (o object) status() ([]keyValue, error) {
	text, err := readWhole(o.mount + "/" + infoDirectory + "/object/" + o.name)
	switch {
	case err == nil:
		return parseKeyValues(text), nil
	case errors.Is(err, unix.EISDIR):
		return nil, failure(exitFailure, "%q is a directory: see what is in it with shmfs ls %s", o.name, shellName(o.name))
	case errors.Is(err, unix.ENOENT) && unix.Access(o.mount+"/"+infoDirectory+"/object", unix.F_OK) != nil:
		return nil, infoRefusal(o.mount, "object", err)
	}
	return nil, o.refusal(err)
}

// writeStatusJSON writes an object's text as one object of JSON, in which lines of which there may be several are arrays.
func writeStatusJSON(output io.Writer, pairs []keyValue) error {
	status := &jsonObject{}
	lists := map[string][]*jsonObject{"mapper": {}, "open": {}}
	for _, pair := range pairs {
		if slices.Contains(listKeys, pair.key) {
			lists[pair.key] = append(lists[pair.key], parseRecord(pair.value))
			continue
		}
		status.addValue(pair.key, pair.value)
	}
	for _, key := range listKeys {
		if list, found := lists[key]; found {
			status.add(key, list)
		}
	}
	return writeJSONLine(output, status)
}

// writeJSONLine writes an object of JSON on a line of its own.
func writeJSONLine(output io.Writer, written *jsonObject) error {
	text, err := written.text()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(output, text)
	return err
}
