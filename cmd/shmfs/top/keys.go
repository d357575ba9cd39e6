package top

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"shmfs/fs/table"

	tea "charm.land/bubbletea/v2"
)

// longestFilter is the most characters that a filter has.
const longestFilter = 100

// rates are the intervals that the key for them goes through.
var rates = []time.Duration{time.Second / 2, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}

// key does what a key is for. What asks something, or takes text, has all keys to itself, except for Ctrl-C.
func (m *Model) key(pressed tea.KeyPressMsg) tea.Cmd {
	switch key := pressed.String(); {
	case key == "ctrl+c":
		return tea.Quit
	case key == "ctrl+z":
		return tea.Suspend
	case m.doomed != nil:
		return m.confirm(key)
	case m.typing:
		m.filterKey(key, pressed.Text)
		return nil
	case m.help:
		m.help = false
		if key == "q" {
			return tea.Quit
		}
		return nil
	default:
		m.message = ""
		return m.command(key)
	}
}

func (m *Model) command(key string) tea.Cmd {
	switch key {
	case "q":
		return tea.Quit
	case "h", "?", "f1":
		m.help = true
	case "tab", "shift+tab":
		m.inSem = !m.inSem
		return m.lookAnew()
	case "s":
		m.rows().nextOrder()
		return m.lookAnew()
	case "S", "shift+s":
		m.rows().turnAround()
		return m.lookAnew()
	case "/":
		m.typing = true
	case "enter":
		m.detail = !m.detail
		m.rows().choose(m.rows().at())
		return m.lookAnew()
	case "esc":
		return m.leave()
	case "u":
		m.askToUnlink()
	case "r":
		m.nextRate()
		return m.hurry()
	case "[":
		m.scroll = max(0, m.scroll-1)
	case "]":
		m.scroll++ // the pane keeps it within what there is
	default:
		return m.moveKey(key)
	}
	return nil
}

// rows is the list that is shown.
func (m *Model) rows() rows {
	if m.inSem {
		return &m.semaphores
	}
	return &m.objects
}

// rows is what keys do to a list, whatever its rows are.
type rows interface {
	nextOrder()
	turnAround()
	choose(index int)
	at() int
	count() int
	top()
}

// moveKey moves the selection.
func (m *Model) moveKey(key string) tea.Cmd {
	rows := m.rows()
	switch page := max(1, m.tableRoom()-1); key {
	case "up", "k":
		rows.choose(rows.at() - 1)
	case "down", "j":
		rows.choose(rows.at() + 1)
	case "pgup", "ctrl+b":
		rows.choose(rows.at() - page)
	case "pgdown", "ctrl+f", "space":
		rows.choose(rows.at() + page)
	case "home", "g":
		rows.top()
	case "end", "G", "shift+g":
		rows.choose(rows.count() - 1)
	default:
		return nil
	}
	return m.lookAnew()
}

// lookAnew follows whatever may have changed what is selected.
func (m *Model) lookAnew() tea.Cmd {
	m.scroll = 0
	if !m.detail {
		return nil
	}
	return m.hurry()
}

// leave closes the detail, and then drops the filter.
func (m *Model) leave() tea.Cmd {
	if m.detail {
		m.detail = false
		return nil
	}
	m.setFilter("")
	return nil
}

// filterKey edits the filter.
func (m *Model) filterKey(key, text string) {
	switch key {
	case "enter":
		m.typing = false
	case "esc":
		m.typing = false
		m.setFilter("")
	case "backspace":
		_, size := utf8.DecodeLastRuneInString(m.filter)
		m.setFilter(m.filter[:len(m.filter)-size])
	case "ctrl+u":
		m.setFilter("")
	default:
		m.extend(text)
	}
}

// extend appends to the filter what can be seen of a text.
func (m *Model) extend(text string) {
	typed := strings.Map(func(character rune) rune {
		if !unicode.IsPrint(character) {
			return -1
		}
		return character
	}, text)
	if utf8.RuneCountInString(m.filter+typed) <= longestFilter {
		m.setFilter(m.filter + typed)
	}
}

func (m *Model) setFilter(filter string) {
	m.filter = filter
	m.objects.set(m.objectRows, filter)
	if m.sample != nil {
		m.semaphores.set(m.sample.Semaphores, filter)
	}
}

// askToUnlink asks for a confirmation, where there is something to unlink.
func (m *Model) askToUnlink() {
	name := m.selected()
	if name == "" || m.sample == nil {
		return
	}
	object := m.sample.object(name)
	switch {
	case object == nil:
		m.message = table.Escape(name) + " has gone"
	case object.Type == "directory":
		m.message = table.Escape(name) + " is a directory: rmdir removes those"
	default:
		m.doomed = &doomed{name, object.Inode}
	}
}

// confirm unlinks what was asked about if the key says yes.
func (m *Model) confirm(key string) tea.Cmd {
	doomed := *m.doomed
	m.doomed = nil
	if key != "y" {
		m.message = table.Escape(doomed.name) + " stays"
		return nil
	}
	return func() tea.Msg {
		return unlinkedMessage{doomed.name, m.unlink(doomed.name, doomed.inode)}
	}
}

// nextRate takes the next longer interval, and after the longest the shortest.
func (m *Model) nextRate() {
	next := rates[0]
	for _, rate := range rates {
		if rate > m.interval {
			next = rate
			break
		}
	}
	m.interval = next
	m.message = fmt.Sprintf("a sample every %v", next)
}
