package top

import (
	"fmt"
	"strings"
	"time"

	"shmfs/fs/table"
)

// The smallest screen that something can be shown on, in cells.
const (
	leastWidth  = 60
	leastHeight = 14
)

const (
	headerLines = 6 // with the line of tabs
	footerLines = 2
)

// widestBar is the most cells of a bar.
const widestBar = 100

// screen is all lines of the screen, each of them as wide as that.
func (m *Model) screen() string {
	switch {
	case m.width < leastWidth || m.height < leastHeight:
		return cut(fmt.Sprintf("shmfs top needs %d x %d cells", leastWidth, leastHeight), m.width)
	case m.help:
		return strings.Join(m.helpLines(), "\n")
	case m.sample == nil:
		return fit("shmfs top: "+table.Escape(m.mount)+m.lateness(), m.width)
	}
	lines := m.header()
	lines = append(lines, m.list(m.tableRoom())...)
	for len(lines) < headerLines+m.tableRoom() {
		lines = append(lines, "")
	}
	if m.detail {
		lines = append(lines, m.pane(m.paneRoom())...)
	}
	return strings.Join(append(lines, m.footer()...), "\n")
}

// bodyRoom is how many lines there are between header and footer.
func (m *Model) bodyRoom() int { return m.height - headerLines - footerLines }

// paneRoom is how many of them the detail pane has.
func (m *Model) paneRoom() int {
	if !m.detail {
		return 0
	}
	return max(m.bodyRoom()*6/10, 3)
}

// tableRoom is how many of them the list has, its heading among them.
func (m *Model) tableRoom() int { return m.bodyRoom() - m.paneRoom() }

func (m *Model) header() []string {
	stats := m.sample.Stats
	right := fmt.Sprintf("%s, %s  up %s", stats.word("mode"), stats.word("commit"), spanText(stats.uptime()))
	if m.interval > 0 {
		right += fmt.Sprintf("  every %v", m.interval)
	}
	left := "shmfs top  " + table.Escape(m.mount)
	room := m.width - cells(right) - 2
	title := m.palette.paint(fit(left, room), bold) + "  " + right
	charged, resident, limit := stats.number("bytes-charged"), stats.number("bytes-resident"), stats.number("bytes-limit")
	return []string{
		title,
		m.bar("Charged", charged, limit, sizeText),
		m.bar("Resident", resident, limit, sizeText),
		m.bar("Inodes", stats.number("inodes-used"), stats.number("inodes-limit"), func(count int64) string { return fmt.Sprint(count) }),
		cut(fmt.Sprintf("objects %d, directories %d, semaphores %d, handles %d, nodes %d", stats.number("objects"), stats.number("directories"),
			stats.number("semaphores"), stats.number("handles"), stats.number("nodes")), m.width),
		m.tabs(),
	}
}

// word returns what stands under a key, fit for a terminal.
func (s Stats) word(key string) string { return table.Escape(s[key]) }

// bar shows how much of a whole there is; a whole of 0 is no limit.
func (m *Model) bar(label string, part, whole int64, text func(int64) string) string {
	figures := text(part) + ", no limit"
	if whole > 0 {
		figures = fmt.Sprintf("%s of %s, %.1f%%", text(part), text(whole), percent(part, whole))
	}
	room := min(m.width-len("Resident  [] ")-24, widestBar)
	filled := max(0, min(int(percent(part, whole)/100*float64(room)+0.5), room))
	if filled == 0 && part > 0 && whole > 0 {
		filled = 1
	}
	how := green
	switch share := percent(part, whole); {
	case share >= 90:
		how = red
	case share >= 70:
		how = yellow
	}
	return fit(label, len("Resident")) + " [" + m.palette.paint(strings.Repeat("|", filled), how) + strings.Repeat(" ", room-filled) + "] " + figures
}

// tabs names the views and says how the one that is shown is sorted and filtered.
func (m *Model) tabs() string {
	objects, semaphores := fmt.Sprintf(" Objects %d ", m.objects.all), fmt.Sprintf(" Semaphores %d ", m.semaphores.all)
	sorted, shown := m.objects.orderText(), len(m.objects.rows)
	if m.inSem {
		semaphores = m.palette.paint("["+strings.TrimSpace(semaphores)+"]", bold)
		sorted, shown = m.semaphores.orderText(), len(m.semaphores.rows)
	} else {
		objects = m.palette.paint("["+strings.TrimSpace(objects)+"]", bold)
	}
	line := objects + semaphores + "  sort: " + sorted
	if m.filter != "" {
		line += fmt.Sprintf("  filter: %s (%d)", table.Escape(m.filter), shown)
	}
	return cut(line, m.width)
}

func (m *Model) list(room int) []string {
	if m.inSem {
		return m.semaphores.lines(semaphoreColumns(), m.palette, m.width, room, semaphoreAlarm)
	}
	return m.objects.lines(objectColumns(m.sample.HasMaps), m.palette, m.width, room, objectAlarm)
}

// footer is a line of what there is to say, and one of the keys.
func (m *Model) footer() []string {
	const keys = "h help  q quit  s S sort  / filter  enter detail  u unlink  r rate  tab view"
	return []string{cut(m.status(), m.width), m.palette.paint(cut(keys, m.width), cyan)}
}

// status is what matters most of what there is to say.
func (m *Model) status() string {
	switch {
	case m.doomed != nil:
		return m.palette.paint("Unlink "+m.describe(m.doomed.name)+"? y: yes, any other key: no", bold)
	case m.typing:
		return "Filter names: " + typed(m.filter) + "_   (enter: keep it, esc: drop it)"
	case m.late:
		return m.palette.paint("the mount"+m.lateness(), red)
	case m.message != "":
		return m.message
	case len(m.sample.Notes) > 0:
		return m.palette.paint(tame(m.sample.Notes[0]), yellow)
	}
	return ""
}

// lateness says for how long there has been no answer, if that is worth a word.
func (m *Model) lateness() string {
	if !m.late {
		return ""
	}
	return fmt.Sprintf(" has not answered for %v", m.now().Sub(m.asked).Round(time.Second))
}

// describe names an object with what one should know before it goes. The name is cut so that the question behind it can be read.
func (m *Model) describe(name string) string {
	text := cut(table.Escape(name), max(10, m.width-60))
	object := m.sample.object(name)
	if object == nil {
		return text
	}
	users := ""
	if m.sample.HasMaps {
		users = fmt.Sprintf(", %d mappers", object.Mappers)
	}
	return fmt.Sprintf("%s (%s%s, %d opens)", text, sizeText(object.Size), users, object.Opens)
}

// typed is a filter as it is shown while it is being typed: empty where nothing has been.
func typed(filter string) string {
	if filter == "" {
		return ""
	}
	return table.Escape(filter)
}

// tame makes a sentence fit for a terminal, word by word.
func tame(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		if word != "" && strings.ContainsFunc(word, func(character rune) bool { return character < '!' || character > '~' }) {
			words[i] = table.Escape(word)
		}
	}
	return strings.Join(words, " ")
}
