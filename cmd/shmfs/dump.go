package main

import (
	"bufio"
	"errors"
	"io"
	"math"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// objectDump is one call of `shmfs dump`.
type objectDump struct {
	offset   byteCount
	length   byteCount
	follow   bool
	interval timeLimit
}

const dumpHelp = `Show what an object holds, 16 bytes a line: offset, bytes in hexadecimal, and text with a dot for what is not printable.
It is read, never mapped.

With --follow it looks again and again until it is interrupted. On a terminal it redraws as much as fits, with the bytes
highlighted that changed since the last look; elsewhere it prints the lines that changed.`

func (c *inspectCommand) newDumpCommand() *cobra.Command {
	dump := objectDump{interval: timeLimit{duration: time.Second}}
	command := &cobra.Command{
		Use:   "dump [--offset N] [--length N] [--follow [--interval D]] NAME",
		Short: "Show an object's bytes",
		Long:  dumpHelp,
		Example: "  shmfs dump --length 256 frames\n" +
			"  shmfs dump --offset 0x1000 --follow --interval 200ms frames",
		Args:              oneObject,
		ValidArgsFunction: c.completeObject,
		RunE: func(command *cobra.Command, arguments []string) error {
			target, err := c.object(arguments[0])
			if err != nil {
				return err
			}
			switch {
			case dump.interval.given && !dump.follow:
				return failure(exitUsage, "--interval is only for --follow: leave it out, or add --follow")
			case dump.interval.duration <= 0:
				return failure(exitUsage, "an interval of nothing would never rest: give one such as 100ms")
			}
			return dump.show(target, command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.Var(&dump.offset, "offset", "where to begin: bytes, with K, M, G or T behind, or hexadecimal behind 0x")
	flags.Var(&dump.length, "length", "how much to show; else all to the end")
	flags.BoolVarP(&dump.follow, "follow", "f", false, "show what changes until interrupted")
	flags.Var(&dump.interval, "interval", "with --follow, how long between two looks (default 1s)")
	return command
}

func (d *objectDump) show(target object, output io.Writer) error {
	descriptor, err := target.open(unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(descriptor)
	from := dumpedFile{target, descriptor}
	if d.follow {
		return d.followOn(from, output)
	}
	buffer := bufio.NewWriter(output)
	if err := d.write(from, buffer); err != nil {
		return err
	}
	return buffer.Flush()
}

// limit is where the dump ends if the file does not end before.
func (d *objectDump) limit() int64 {
	if !d.length.given || d.length.bytes > math.MaxInt64-d.offset.bytes {
		return math.MaxInt64
	}
	return d.offset.bytes + d.length.bytes
}

// write writes the whole dump.
func (d *objectDump) write(from dumpedFile, output *bufio.Writer) error {
	piece := make([]byte, chunk)
	line := hexLine{}
	for offset := d.offset.bytes; offset < d.limit(); {
		bytes, err := from.read(piece[:min(chunk, d.limit()-offset)], offset)
		if err != nil {
			return err
		}
		for at := 0; at < len(bytes); at += hexWidth {
			line.write(output, offset+int64(at), bytes[at:min(at+hexWidth, len(bytes))], nil)
		}
		if len(bytes) < chunk {
			return nil
		}
		offset += int64(len(bytes))
	}
	return nil
}

// followOn dumps again and again, until a signal ends it or the mount goes.
func (d *objectDump) followOn(from dumpedFile, output io.Writer) error {
	signals := notify(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	ticker := time.NewTicker(d.interval.duration)
	defer ticker.Stop()
	picture := newPicture(output, d)
	defer picture.end()
	for {
		if err := picture.look(from); err != nil {
			return err
		}
		if received := tickOrSignal(ticker.C, signals); received != nil {
			return endedBy(received)
		}
	}
}

// tickOrSignal returns at the next tick with nil, or with the signal that came before.
func tickOrSignal(ticks <-chan time.Time, signals <-chan os.Signal) os.Signal {
	select {
	case <-ticks:
		return endingSignal(signals)
	case received := <-signals:
		return received
	}
}

// dumpedFile is an open object.
type dumpedFile struct {
	object
	descriptor int
}

// read fills the buffer as far as there is something, from an offset on.
func (f dumpedFile) read(buffer []byte, offset int64) ([]byte, error) {
	done := 0
	for done < len(buffer) {
		count, err := unix.Pread(f.descriptor, buffer[done:], offset+int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, f.refusal(err)
		case count == 0:
			return buffer[:done], nil
		}
		done += count
	}
	return buffer, nil
}

// picture is what a followed dump has shown.
type picture struct {
	*objectDump
	output   io.Writer
	terminal bool
	mark     string // what highlights, on a terminal
	rows     func() int

	shown bool   // there was a first look
	bytes []byte // of the last look
}

func newPicture(output io.Writer, dump *objectDump) *picture {
	p := &picture{objectDump: dump, output: output, terminal: isTerminal(output), mark: reverseColour}
	if takesColour(output) {
		p.mark = boldColour + redColour
	}
	p.rows = func() int {
		_, rows := windowSize(output)
		return rows
	}
	return p
}

// look reads and shows the bytes, with a mark where they are others than at the last look.
func (p *picture) look(from dumpedFile) error {
	end := p.limit()
	if p.terminal { // as many lines as fit under the heading and above the cursor
		end = min(end, p.offset.bytes+int64(max(p.rows()-2, 1))*hexWidth)
	}
	bytes, err := p.read(from, end)
	if err != nil {
		return err
	}
	changed := changedBytes(p.bytes, bytes, p.shown)
	if p.terminal {
		err = p.draw(from.name, bytes, changed)
	} else {
		err = p.printChanged(bytes, changed)
	}
	p.bytes, p.shown = bytes, true
	return err
}

func (p *picture) read(from dumpedFile, end int64) ([]byte, error) {
	var all []byte
	for offset := p.offset.bytes; offset < end; offset += chunk {
		piece, err := from.read(make([]byte, min(chunk, end-offset)), offset)
		if err != nil {
			return nil, err
		}
		if all = append(all, piece...); len(piece) < chunk {
			break
		}
	}
	return all, nil
}

// changedBytes says of each byte whether it was another before, or was not there; of none before anything was seen.
func changedBytes(before, now []byte, seen bool) []bool {
	changed := make([]bool, len(now))
	for i := range now {
		changed[i] = seen && (i >= len(before) || before[i] != now[i])
	}
	return changed
}

// draw redraws the terminal in place.
func (p *picture) draw(name string, bytes []byte, changed []bool) error {
	var text strings.Builder
	if !p.shown {
		text.WriteString("\x1b[2J\x1b[?25l") // cleared, and without a cursor
	}
	columns, _ := windowSize(p.output)
	heading := []rune(printable(name) + "  " + time.Now().Format(time.TimeOnly))
	text.WriteString("\x1b[H" + string(heading[:min(len(heading), columns-1)]) + "\x1b[K\n")
	line := hexLine{mark: p.mark, tail: "\x1b[K"}
	for at := 0; at < len(bytes); at += hexWidth {
		end := min(at+hexWidth, len(bytes))
		line.write(&text, p.offset.bytes+int64(at), bytes[at:end], changed[at:end])
	}
	text.WriteString("\x1b[J")
	_, err := io.WriteString(p.output, text.String())
	return err
}

// printChanged prints the lines in which something changed, at first all.
func (p *picture) printChanged(bytes []byte, changed []bool) error {
	var text strings.Builder
	line := hexLine{}
	for at := 0; at < len(bytes); at += hexWidth {
		end := min(at+hexWidth, len(bytes))
		if !p.shown || anyOf(changed[at:end]) {
			line.write(&text, p.offset.bytes+int64(at), bytes[at:end], nil)
		}
	}
	_, err := io.WriteString(p.output, text.String())
	return err
}

func anyOf(flags []bool) bool {
	for _, flag := range flags {
		if flag {
			return true
		}
	}
	return false
}

// end gives the terminal its cursor back.
func (p *picture) end() {
	if p.terminal && p.shown {
		_, _ = io.WriteString(p.output, "\x1b[?25h")
	}
}
