package main

import (
	"fmt"
	"io"
)

// hexWidth is how many bytes a line of a dump has.
const hexWidth = 16

// hexTextColumn is where the text begins behind the offset: two digits a byte, a space after each pair and one more.
const hexTextColumn = hexWidth*2 + hexWidth/2 + 1

// hexLine writes lines as xxd(1) does.
type hexLine struct {
	mark string // what highlights a byte that is marked
	tail string // what stands at the end of each line
	text []byte // reused from line to line
}

// write writes one line. marked may be nil.
func (l *hexLine) write(output io.Writer, offset int64, bytes []byte, marked []bool) {
	l.text = fmt.Appendf(l.text[:0], "%08x: ", offset)
	column := 0
	for i, value := range bytes {
		l.begin(marked, i)
		l.text = fmt.Appendf(l.text, "%02x", value)
		l.end(marked, i)
		column += 2
		if i%2 == 1 {
			l.text = append(l.text, ' ')
			column++
		}
	}
	for ; column < hexTextColumn; column++ {
		l.text = append(l.text, ' ')
	}
	for i, value := range bytes {
		if value < ' ' || value > '~' {
			value = '.'
		}
		l.begin(marked, i)
		l.text = append(l.text, value)
		l.end(marked, i)
	}
	l.text = append(append(l.text, l.tail...), '\n')
	_, _ = output.Write(l.text) // it is a buffer
}

func (l *hexLine) begin(marked []bool, at int) {
	if marked != nil && marked[at] {
		l.text = append(l.text, l.mark...)
	}
}

func (l *hexLine) end(marked []bool, at int) {
	if marked != nil && marked[at] {
		l.text = append(l.text, plainColour...)
	}
}
