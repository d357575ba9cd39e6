package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Colours as terminals take them.
const (
	plainColour   = "\x1b[0m"
	boldColour    = "\x1b[1m"
	reverseColour = "\x1b[7m"
	redColour     = "\x1b[31m"
	greenColour   = "\x1b[32m"
	yellowColour  = "\x1b[33m"
	blueColour    = "\x1b[34m"
	magentaColour = "\x1b[35m"
	cyanColour    = "\x1b[36m"
)

// isTerminal reports whether what is written goes to a terminal.
func isTerminal(output io.Writer) bool {
	file, found := output.(*os.File)
	if !found {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// takesColour reports whether colours are wanted: on a terminal that has them, unless NO_COLOR says otherwise (https://no-color.org).
func takesColour(output io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(output)
}

// painter colours texts, or leaves them as they are.
type painter bool

func (p painter) paint(colour, text string) string {
	if !p || colour == "" || text == "" {
		return text
	}
	return colour + text + plainColour
}

// windowSize returns the columns and rows of the terminal that is written to; 80 and 24 where it does not tell.
func windowSize(output io.Writer) (columns, rows int) {
	columns, rows = 80, 24
	file, found := output.(*os.File)
	if !found {
		return columns, rows
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return columns, rows
	}
	return int(size.Col), int(size.Row)
}
