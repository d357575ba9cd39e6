package top

import (
	"strings"

	"shmfs/fs/table"
)

// narrowest is the fewest cells that a column of names has before columns that are not needed are shown.
const narrowest = 30

// column is a column of a list behind the names. Those that are not needed are left out where the screen is narrow.
type column[Row any] struct {
	title  string
	width  int
	right  bool // numbers
	needed bool
	text   func(*Row) string
}

// layout is what columns a table has on a screen.
type layout[Row any] struct {
	columns []column[Row]
	name    int // cells for names
}

// layOut chooses the columns that have room. The names get what they need of what is left, at least, if there is so much.
func layOut[Row any](columns []column[Row], width, longestName int) layout[Row] {
	left := width
	for _, column := range columns {
		if column.needed {
			left -= column.width + 1
		}
	}
	laid := layout[Row]{}
	for _, column := range columns {
		if !column.needed && left-column.width-1 < max(narrowest, min(longestName, width/3)) {
			continue
		}
		if !column.needed {
			left -= column.width + 1
		}
		laid.columns = append(laid.columns, column)
	}
	laid.name = max(1, min(left, max(longestName, narrowest)))
	return laid
}

func (l layout[Row]) heading(width int) string {
	line := fit("NAME", l.name)
	for _, column := range l.columns {
		line += " " + column.place(column.title)
	}
	return fit(line, width)
}

func (l layout[Row]) line(name string, row *Row, width int) string {
	var line strings.Builder
	line.WriteString(fit(table.Escape(name), l.name))
	for _, column := range l.columns {
		line.WriteString(" " + column.place(column.text(row)))
	}
	return fit(line.String(), width)
}

func (c column[Row]) place(text string) string {
	if c.right {
		return fitRight(text, c.width)
	}
	return fit(text, c.width)
}

// lines makes the lines of a list: a heading and as many rows as there is room for, the selected one reversed.
func (l *list[Row]) lines(columns []column[Row], paint palette, width, room int, alarming func(*Row) string) []string {
	first, shown := l.window(room - 1)
	longest := 0
	for i := range shown {
		longest = max(longest, cells(table.Escape(l.nameOf(&shown[i]))))
	}
	laid := layOut(columns, width, longest)
	lines := []string{paint.paint(laid.heading(width), bold)}
	for i := range shown {
		line := laid.line(l.nameOf(&shown[i]), &shown[i], width)
		if first+i == l.index {
			line = paint.paint(line, reversed)
		} else if how := alarming(&shown[i]); how != "" {
			line = paint.paint(line, how)
		}
		lines = append(lines, line)
	}
	return lines
}
