package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress is a line that tells how far something is, on a terminal; elsewhere it says nothing.
type progress struct {
	output  io.Writer // nil: nothing is said
	total   int64     // bytes; negative if it is not known
	columns int
	now     func() time.Time

	started, shown time.Time
}

// redraw is how long a picture of the progress stands.
const redraw = 100 * time.Millisecond

func newProgress(output io.Writer, total int64) *progress {
	if !isTerminal(output) {
		return &progress{total: total}
	}
	columns, _ := windowSize(output)
	return &progress{output: output, total: total, columns: columns, now: time.Now, started: time.Now()}
}

// show tells that so many bytes are done, unless it has just told.
func (p *progress) show(done int64) {
	if p.output == nil {
		return
	}
	now := p.now()
	if done != p.total && now.Sub(p.shown) < redraw {
		return
	}
	p.shown = now
	fmt.Fprintf(p.output, "\r%s\x1b[K", p.line(done, now.Sub(p.started).Seconds()))
}

// line is the progress after so many bytes and seconds. It is shorter than the terminal is wide.
func (p *progress) line(done int64, seconds float64) string {
	rate := "-"
	if seconds > 0 {
		rate = humanSize(int64(float64(done) / seconds))
	}
	if p.total < 0 {
		return fmt.Sprintf("%s, %s/s", humanSize(done), rate)
	}
	share := 1.0
	if p.total > 0 {
		share = min(float64(done)/float64(p.total), 1)
	}
	figures := fmt.Sprintf(" %3d%%  %s of %s, %s/s", int(share*100), humanSize(done), humanSize(p.total), rate)
	width := min(p.columns-len(figures)-3, 50)
	if width < 4 {
		return strings.TrimSpace(figures)
	}
	filled := int(share * float64(width))
	return "[" + strings.Repeat("#", filled) + strings.Repeat(" ", width-filled) + "]" + figures
}

// end leaves the line.
func (p *progress) end() {
	if p.output != nil && !p.shown.IsZero() {
		fmt.Fprintln(p.output)
	}
}
