package top

import (
	"strings"
)

// helpText fits on a screen of 80 x 24.
const helpText = `shmfs top: what is in a mount, and who uses it                 any key: back

  s  S         sort by what comes next; reverse the order
  /            show only names that have a text in them; esc: all again
  tab          objects, semaphores
  enter        detail of what is selected; again, or esc: close it
  [  ]         scroll the detail
  up down j k  move; also page up and down, home and end, g and G
  u            unlink what is selected, if y confirms it
  r            time between samples: 0.5, 1, 2, 5, 10 seconds
  h  ?         this help
  q  Ctrl-C    quit

MAPPERS are processes that map the object, OPENS its open files. CHANGE/S is by
how much what is in memory grew or shrank, in bytes a second, with a w if
something was written (through a mapping it may not show).

The map of pages comes from lseek(2) with SEEK_DATA and SEEK_HOLE, which touches
none. For it the object is opened a moment with each sample, while its detail is
shown. Pages that were reserved and never touched count as not there.

What cannot be shown in a name is written as \ooo, three octal digits a byte.`

func (m *Model) helpLines() []string {
	lines := strings.Split(helpText, "\n")
	lines[0] = m.palette.paint(lines[0], bold)
	for i := range lines {
		lines[i] = cut(lines[i], m.width)
	}
	return lines[:min(len(lines), m.height)]
}
