package top

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// rewrite has the golden screens written instead of compared.
var rewrite = flag.Bool("rewrite", false, "write the golden screens anew")

// fixture reads the sample that a directory below testdata shows.
func fixture(t *testing.T, name string, request Request) *Sample {
	t.Helper()
	collector := collector{directory: directory(filepath.Join("testdata", name))}
	sample, err := collector.collect(request)
	if err != nil {
		t.Fatal(err)
	}
	if len(sample.Notes) > 0 {
		t.Fatal(sample.Notes)
	}
	sample.At, sample.Took = time.Unix(1000, 0), 0
	if name == "after" {
		sample.At = sample.At.Add(2 * time.Second)
	}
	if sample.Detail != nil && sample.Detail.Name == "frames" {
		cells := strings.Repeat("#", request.Cells*6/10) + "+" + strings.Repeat(".", request.Cells*3/10)
		sample.Detail.Note, sample.Detail.Pages = "", &Pages{Cell: 212992, Cells: []byte(cells)}
	}
	return sample
}

// newFixtureModel returns a model of the screen's size that has had both samples. What it unlinks goes into the channel.
func newFixtureModel(t *testing.T, palette palette, width, height int) (*Model, chan string) {
	t.Helper()
	unlinked := make(chan string, 10)
	m := newModel("/mnt/shared", time.Second, palette)
	m.sampling = func(request Request, _ time.Duration) (*Sample, error) { return fixture(t, "after", request), nil }
	m.unlink = func(name string, inode uint64) error {
		unlinked <- name
		if inode == 0 {
			return errors.New("no inode was given")
		}
		return nil
	}
	m.now = func() time.Time { return time.Unix(1010, 0) }
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	m.show(fixture(t, "before", Request{}))
	m.show(fixture(t, "after", Request{}))
	return m, unlinked
}

// press presses keys, a word each: a character, or the name of a key. What they ask for is done at once, but no waiting is.
func press(t *testing.T, m *Model, keys ...string) {
	t.Helper()
	for _, key := range keys {
		_, command := m.Update(keyOf(t, key))
		perform(m, command)
	}
}

// perform does what a command is for.
func perform(m *Model, command tea.Cmd) {
	for command != nil && (m.asking || m.doomed == nil) {
		asking := m.asking
		message := command()
		_, command = m.Update(message)
		if asking && !m.asking {
			return // a command now would wait for the next sample
		}
	}
}

func keyOf(t *testing.T, key string) tea.KeyPressMsg {
	t.Helper()
	named := map[string]rune{"tab": tea.KeyTab, "enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "home": tea.KeyHome,
		"end": tea.KeyEnd, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "backspace": tea.KeyBackspace}
	if code, found := named[key]; found {
		return tea.KeyPressMsg{Code: code}
	}
	if letter, found := strings.CutPrefix(key, "ctrl+"); found {
		return tea.KeyPressMsg{Code: rune(letter[0]), Mod: tea.ModCtrl}
	}
	characters := []rune(key)
	if len(characters) != 1 {
		t.Fatalf("there is no key %q", key)
	}
	return tea.KeyPressMsg{Code: characters[0], Text: key}
}

// golden compares a screen with the one that is kept.
func golden(t *testing.T, name, screen string) {
	t.Helper()
	path := filepath.Join("testdata", "screens", name+".txt")
	var text strings.Builder
	for line := range strings.Lines(screen + "\n") {
		text.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("the screen is not %s (write it anew with -rewrite)\n%s", path, text.String())
	}
}

// requireFits says that a screen has no more lines and cells than there are, and that nothing but colours gets to the terminal raw.
func requireFits(t *testing.T, m *Model) {
	t.Helper()
	lines := strings.Split(m.screen(), "\n")
	if len(lines) > max(m.height, 1) {
		t.Fatalf("%d lines on a screen of %d x %d", len(lines), m.width, m.height)
	}
	for _, line := range lines {
		bare := ansi.Strip(line)
		if cells(bare) > m.width {
			t.Fatalf("a line of %d cells on a screen of %d x %d: %q", cells(bare), m.width, m.height, line)
		}
		for _, how := range []string{"0", bold, reversed, red, green, yellow, cyan} {
			line = strings.ReplaceAll(line, "\x1b["+how+"m", "")
		}
		if line != bare || strings.ContainsFunc(line, func(character rune) bool { return character < ' ' || character == 0x7f || character == 0xfffd }) {
			t.Fatalf("a line has something raw: %q", line)
		}
	}
}
