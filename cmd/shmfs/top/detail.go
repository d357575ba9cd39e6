package top

import (
	"fmt"
	"strings"

	"shmfs/fs/table"
)

// mapLines is how many lines the map of pages has at most.
func (m *Model) mapLines() int { return max(1, m.paneRoom()/6) }

// mapWidth is how many cells one of its lines has on a screen.
func mapWidth(width int) int { return max(1, min(width-2, 128)) }

// pane is the detail of what is selected, as many lines.
func (m *Model) pane(room int) []string {
	name := m.selected()
	title := "-- " + table.Escape(name) + " "
	if name == "" {
		title = "-- nothing is selected "
	}
	title = cut(title, m.width-2)
	title += strings.Repeat("-", max(0, m.width-cells(title)))
	lines := m.detailLines(name)
	m.scroll = max(0, min(m.scroll, len(lines)-(room-1)))
	shown := lines[m.scroll:]
	if len(shown) > room-1 {
		shown = shown[:room-1]
		rest := fmt.Sprintf("  (%d lines more: ] and [ scroll)", len(lines)-m.scroll-(room-1)+1)
		shown[len(shown)-1] = rest
	}
	pane := []string{m.palette.paint(title, bold)}
	for _, line := range shown {
		pane = append(pane, cut(line, m.width))
	}
	for len(pane) < room {
		pane = append(pane, "")
	}
	return pane
}

// detailLines are all lines of the detail of an object.
func (m *Model) detailLines(name string) []string {
	object := m.sample.object(name)
	if object == nil {
		return nil
	}
	detail := m.sample.Detail
	if detail == nil || detail.Name != name {
		detail = &Detail{Name: name} // it comes with the next sample
	}
	lines := []string{
		fmt.Sprintf("%s of %s, charged %s, resident %s", table.Escape(object.Type), sizeText(object.Size), sizeText(object.Charged),
			sizeText(object.Resident)),
		fmt.Sprintf("mode %s, uid %s, gid %s, links %d, inode %d", table.Escape(object.Mode), table.Escape(object.UID), table.Escape(object.GID),
			object.Links, object.Inode),
	}
	lines = append(lines, factLines(detail, []string{"value", "waiters", "held", "initial", "state", "layout", "stuck"})...)
	for _, fact := range detail.Facts {
		if fact.Key == "holder" {
			lines = append(lines, "holder "+tame(fact.Value))
		}
	}
	lines = append(lines, pageLines(detail, mapWidth(m.width))...)
	lines = append(lines, m.mapperLines(name)...)
	lines = append(lines, m.openingLines(name)...)
	return append(lines, factLines(detail, []string{"creator-pid", "creator-command", "creator-cgroup"}, []string{"created", "modified"},
		[]string{"changed", "accessed"}, []string{"policy", "target"})...)
}

// factLines are what only the object's own text tells, some of it: a line for each group of keys of which there are any.
func factLines(detail *Detail, groups ...[]string) []string {
	var lines []string
	for _, group := range groups {
		var words []string
		for _, key := range group {
			if value := detail.fact(key); value != "" {
				words = append(words, key+" "+tame(value))
			}
		}
		if len(words) > 0 {
			lines = append(lines, strings.Join(words, ", "))
		}
	}
	return lines
}

// pageLines are the map of pages and what it means.
func pageLines(detail *Detail, width int) []string {
	if detail.Note != "" {
		return []string{"pages: " + tame(detail.Note)}
	}
	if detail.Pages == nil || len(detail.Pages.Cells) == 0 {
		return nil
	}
	huge := ""
	if bytes := number(detail.fact("huge")); bytes > 0 {
		huge = fmt.Sprintf("; %s are huge pages", sizeText(bytes))
	}
	lines := []string{fmt.Sprintf("pages, %s a cell: %c there, %c some, %c none%s", sizeText(detail.Pages.Cell), cellAll, cellSome, cellNone, huge)}
	for rest := detail.Pages.Cells; len(rest) > 0; {
		count := min(width, len(rest))
		lines = append(lines, "  "+string(rest[:count]))
		rest = rest[count:]
	}
	return lines
}

// mapperLines are who maps an object.
func (m *Model) mapperLines(name string) []string {
	if !m.sample.HasMaps {
		return nil
	}
	var lines []string
	for _, mapping := range m.sample.Mappings {
		if mapping.Object != name {
			continue
		}
		lines = append(lines, fmt.Sprintf("  %8s %s %s %-7s %6s %8s %8s", table.Escape(mapping.PID), fit(table.Escape(mapping.User), 10),
			fit(table.Escape(mapping.Command), 16), table.Escape(mapping.Sharing), table.Escape(mapping.Protection), sizeText(mapping.Length),
			sizeText(mapping.Resident)))
	}
	if len(lines) == 0 {
		return []string{"mapped by nobody"}
	}
	return append([]string{fmt.Sprintf("  %8s %s %s %-7s %6s %8s %8s", "MAPPER", fit("USER", 10), fit("COMMAND", 16), "SHARING", "RIGHTS", "LENGTH",
		"RESIDENT")}, lines...)
}

// openingLines are who has an object open.
func (m *Model) openingLines(name string) []string {
	var lines []string
	for _, opening := range m.sample.Openings {
		if opening.Object != name {
			continue
		}
		lines = append(lines, fmt.Sprintf("  %8s %s %s %s %s", table.Escape(opening.PID), fit(table.Escape(opening.User), 10),
			fit(table.Escape(opening.Command), 16), timeText(opening.Since), table.Escape(opening.Flags)))
	}
	if len(lines) == 0 {
		return nil
	}
	return append([]string{fmt.Sprintf("  %8s %s %s %s %s", "OPENER", fit("USER", 10), fit("COMMAND", 16), fit("SINCE", timeWidth), "FLAGS")}, lines...)
}
