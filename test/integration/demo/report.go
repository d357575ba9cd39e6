package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// report is the result of the demonstration.
type report struct {
	File   string // that was copied
	Size   int64  // of it, in bytes
	Sum    string // its SHA-256, in hexadecimal
	Store  string // storeShmfs or storeTmpfs
	Runs   int    // timed runs of each transport
	Method string // how system calls were counted
	Rows   []row
}

// row is one transport's result.
type row struct {
	Transport          string
	Language           string
	Bytes              int64   // of the copy
	MegabytesPerSecond float64 // 10^6 bytes, median of the timed runs
	Copies             int     // a byte makes
	Calls              uint64  // system calls of server and client from start to end
	CallsEmpty         uint64  // the same with an empty file
	DaemonCalls        *uint64 // system calls of the store's daemon meanwhile; nil if there is none or it was not counted
	DaemonCallsEmpty   *uint64 // the same with an empty file
	Equal              bool    // the checksum of every copy equalled the source's
}

// note records one transfer's outcome.
func (r *row) note(one transfer, sum [sha256.Size]byte) {
	r.Bytes = one.bytes
	r.Equal = r.Equal && one.sum == sum
}

// callsForBytes is how many system calls the bytes needed, beyond those of starting and ending.
func (r *row) callsForBytes() int64 { return int64(r.Calls) - int64(r.CallsEmpty) }

// check fails unless every copy was equal.
func (r *report) check() error {
	for _, row := range r.Rows {
		if !row.Equal {
			return fmt.Errorf("%s (%s): a copy differs from its source", row.Transport, row.Language)
		}
	}
	return nil
}

// print writes the report as a table, or as JSON.
func (r *report) print(to io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(to).Encode(r)
	}
	fmt.Fprintf(to, "\nA server process copies %s (%d bytes) to a client process.\n", r.File, r.Size)
	fmt.Fprintf(to, "SHA-256 %s\n\n", r.Sum)
	if err := r.printRows(to); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	if _, err := io.WriteString(to, r.footnotes()); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	return nil
}

func (r *report) printRows(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "transport\tlanguage\tbytes\tMB/s (1)\tcopies (2)\tsystem calls (3)\tfor the bytes (4)\tdaemon's calls (5)\tSHA-256 equal\t")
	for _, row := range r.Rows {
		daemon, equal := "-", "NO"
		if row.DaemonCalls != nil && row.DaemonCallsEmpty != nil {
			daemon = fmt.Sprintf("%d (empty: %d)", *row.DaemonCalls, *row.DaemonCallsEmpty)
		}
		if row.Equal {
			equal = "yes"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%.0f\t%d\t%d\t%d\t%s\t%s\t\n", row.Transport, row.Language, row.Bytes,
			row.MegabytesPerSecond, row.Copies, row.Calls, row.callsForBytes(), daemon, equal)
	}
	return table.Flush()
}

func (r *report) footnotes() string {
	return fmt.Sprintf(`
Shared memory and the semaphores are files of %s. Source and copy are in memory, so that no disk is measured.
(1) 10^6 bytes a second from the server's first read to the client's last write; the median of the timed runs (%d), in
    which the transports took turns and nothing was counted.
(2) Copies a byte makes from the source's page cache to the copy's, one an arrow:
    shared memory: %s
    the others:    %s
    The first arrow is read(2), the last is write(2); shared memory is the buffer of both.
(3) Of server and client together, from start to end, in a run of its own, counted by
    %s.
    Most of Python's are its own start.
(4) The same, less those of a run with an empty file. A call carries up to 256 KiB, through the message queue 8 KiB.
(5) System calls the store's daemon made meanwhile, to create, open and remove the object and the semaphores; in
    parentheses, those with an empty file.
`, r.Store, r.Runs, strings.Join(sharedRoute, " -> "), strings.Join(kernelRoute, " -> "), r.Method)
}
