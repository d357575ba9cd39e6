package top

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"golang.org/x/sys/unix"
)

// oncePatience is how long the one sample may take without which there is nothing to print.
const oncePatience = time.Minute

// ErrNoTerminal tells that the view has no screen to fill.
var ErrNoTerminal = errors.New("standard input and output are no terminal: use --once")

// Run shows the mount at a directory on the terminal until a key or a signal ends it, with a new sample after each interval. The error
// has ErrGone in it if the mount went away, and is ErrNoTerminal if there is none.
func Run(mount string, interval time.Duration) error {
	for _, stream := range []*os.File{os.Stdin, os.Stdout} {
		if _, err := unix.IoctlGetWinsize(int(stream.Fd()), unix.TIOCGWINSZ); err != nil {
			return ErrNoTerminal
		}
	}
	palette := colorful
	if os.Getenv("NO_COLOR") != "" {
		palette = colorless
	}
	model := newModel(mount, interval, palette)
	// What is wrong from the start is told without clearing the screen. A mount that takes its time is waited for on it.
	sample, err := model.sampling(Request{}, patience)
	switch {
	case err == nil:
		model.show(sample)
	case !errors.Is(err, errNoAnswer):
		return err
	}
	// With the profile given, the terminal is not asked for its own, nor tmux for its by running it.
	_, err = tea.NewProgram(model, tea.WithColorProfile(colorprofile.ANSI)).Run()
	switch {
	case model.fatal != nil:
		return model.fatal
	case errors.Is(err, tea.ErrInterrupted):
		return nil
	case err != nil:
		return fmt.Errorf("showing %s: %w", mount, err)
	}
	return nil
}

// Once writes one frame as plain text, with everything there is in the mount: first the objects, then the semaphores.
func Once(mount string, output io.Writer) error {
	model := newModel(mount, 0, plain)
	sample, err := model.sampling(Request{}, oncePatience)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", mount, err)
	}
	model.show(sample)
	_, err = io.WriteString(output, model.frame(widthOf(output)))
	return err
}

// widthOf is how many cells wide a terminal is; of what is none it is 80.
func widthOf(output io.Writer) int {
	if file, isFile := output.(*os.File); isFile {
		if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil && size.Col >= leastWidth {
			return int(size.Col)
		}
	}
	return 80
}

// frame is everything, however many lines that takes, without blanks at their ends.
func (m *Model) frame(width int) string {
	m.width = width
	lines := m.header()
	lines = append(lines[:headerLines-1], "")
	lines = append(lines, m.list(len(m.objects.rows)+1)...)
	m.inSem = true
	lines = append(lines, "")
	lines = append(lines, m.list(len(m.semaphores.rows)+1)...)
	for _, note := range m.sample.Notes {
		lines = append(lines, tame(note))
	}
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}
