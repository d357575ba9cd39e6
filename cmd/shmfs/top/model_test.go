package top

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"
)

// scenes are the keys that lead to a screen.
var scenes = map[string][]string{
	"objects":             {},
	"objects-by-size":     {"s"},
	"objects-by-change":   {"s", "s", "s", "s"},
	"objects-by-name":     {"s", "s", "s", "s", "s", "S"},
	"objects-filtered":    {"/", "S", "E", "M", "enter"},
	"objects-typing":      {"/", "m", "e"},
	"object-detail":       {"enter"},
	"object-scrolled":     {"enter", "]", "]", "]"},
	"unlink":              {"u"},
	"unlinked":            {"u", "y"},
	"kept":                {"u", "n"},
	"semaphores":          {"tab"},
	"semaphores-by-value": {"tab", "s", "down"},
	"semaphore-detail":    {"tab", "down", "enter"},
	"help":                {"h"},
	"nothing":             {"/", "x", "x", "enter", "enter"},
}

func TestScreens(t *testing.T) {
	for name, keys := range scenes {
		for _, size := range [][2]int{{80, 24}, {200, 50}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m, _ := newFixtureModel(t, plain, size[0], size[1])
				press(t, m, keys...)
				requireFits(t, m)
				golden(t, fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), m.screen())
			})
		}
	}
}

// Every screen fits whatever the size, and whatever is set apart in it.
func TestScreensFit(t *testing.T) {
	for _, palette := range []palette{plain, colorful} {
		for name, keys := range scenes {
			m, _ := newFixtureModel(t, palette, 80, 24)
			press(t, m, keys...)
			for _, width := range []int{1, 9, 40, 79, 80, 200} {
				for _, height := range []int{1, 6, 23, 50} {
					m.Update(tea.WindowSizeMsg{Width: width, Height: height})
					requireFits(t, m)
				}
			}
			if t.Failed() {
				t.Fatal(name)
			}
		}
	}
}

func TestPalettes(t *testing.T) {
	for palette, codes := range map[palette][]string{plain: {}, colorless: {bold, reversed}, colorful: {bold, reversed, red, green, yellow, cyan}} {
		all := ""
		for _, keys := range [][]string{{}, {"tab", "end"}} {
			m, _ := newFixtureModel(t, palette, 80, 24)
			press(t, m, keys...)
			all += m.screen()
		}
		for _, code := range []string{bold, reversed, red, green, yellow, cyan} {
			if strings.Contains(all, "\x1b["+code+"m") != slices.Contains(codes, code) {
				t.Errorf("palette %d and code %s", palette, code)
			}
		}
	}
}

func names(m *Model) (all []string) {
	for _, row := range m.objects.rows {
		all = append(all, row.Name)
	}
	return all
}

func TestSelectionStaysWithItsName(t *testing.T) {
	m, _ := newFixtureModel(t, plain, 80, 24)
	if m.selected() != "frames" {
		t.Fatalf("selected is %q", m.selected())
	}
	press(t, m, "S")
	if m.selected() != names(m)[0] || m.selected() == "frames" {
		t.Errorf("before anybody chose a row the first is selected, not %q", m.selected())
	}
	press(t, m, "S", "down")
	chosen := m.selected()
	for range m.objects.orders {
		press(t, m, "s")
		if m.selected() != chosen || names(m)[m.objects.index] != chosen {
			t.Errorf("selected is %q, was %q", m.selected(), chosen)
		}
	}
	press(t, m, "home")
	press(t, m, "S")
	if m.selected() != names(m)[0] {
		t.Errorf("after home the first is selected, not %q", m.selected())
	}
	press(t, m, "end", "down", "down")
	if m.selected() != names(m)[len(names(m))-1] {
		t.Errorf("selected is %q", m.selected())
	}
	sample := *m.sample
	sample.Objects = nil
	m.show(&sample)
	if m.selected() != "" {
		t.Errorf("selected of nothing is %q", m.selected())
	}
	press(t, m, "up", "down", "enter", "u", "y", "tab", "tab", "esc")
	requireFits(t, m)
}

func TestSorting(t *testing.T) {
	m, _ := newFixtureModel(t, plain, 80, 24)
	for _, first := range []string{"frames", "frames", "frames", "frames", "frames", "a name\nwith\x1b[31mbytes\xff"} {
		if got := names(m)[0]; got != first {
			t.Errorf("%s: first is %q, want %q", m.objects.orderText(), got, first)
		}
		press(t, m, "s")
	}
	ascending := slices.Clone(names(m))
	press(t, m, "S")
	for i := 1; i < len(m.objects.rows); i++ {
		if m.objects.rows[i-1].Resident > m.objects.rows[i].Resident {
			t.Errorf("%d stands before %d", m.objects.rows[i-1].Resident, m.objects.rows[i].Resident)
		}
	}
	if len(ascending) != len(names(m)) {
		t.Errorf("%d rows became %d", len(ascending), len(names(m)))
	}
}

func TestFilter(t *testing.T) {
	m, _ := newFixtureModel(t, plain, 80, 24)
	press(t, m, "/", "q", "u", "x")
	if len(names(m)) != 0 || m.filter != "qux" {
		t.Errorf("%q shows %q", m.filter, names(m))
	}
	press(t, m, "backspace", "enter")
	if got := names(m); len(got) != 1 || !strings.HasPrefix(got[0], "queue") {
		t.Errorf("%q shows %q", m.filter, got)
	}
	press(t, m, "esc")
	if len(names(m)) != 10 {
		t.Errorf("without a filter there are %q", names(m))
	}
	m.Update(tea.PasteMsg{Content: "u y q"})
	if m.filter != "" || m.doomed != nil {
		t.Error("what is pasted does what keys do")
	}
	press(t, m, "/")
	m.Update(tea.PasteMsg{Content: "メモ\n\x1b"})
	if got := names(m); len(got) != 1 || m.filter != "メモ" {
		t.Errorf("%q shows %q", m.filter, got)
	}
	m.Update(tea.PasteMsg{Content: strings.Repeat("x", longestFilter)})
	if m.filter != "メモ" {
		t.Errorf("the filter grew to %q", m.filter)
	}
	press(t, m, "ctrl+u", "\\", "0", "4")
	if got := names(m); len(got) != 1 {
		t.Errorf("%q shows %q", m.filter, got)
	}
	press(t, m, "esc")
	if m.typing || m.filter != "" {
		t.Error("esc does not end it")
	}
}

func TestUnlinkIsConfirmed(t *testing.T) {
	m, unlinked := newFixtureModel(t, plain, 80, 24)
	for _, other := range []string{"n", "enter", "esc", "Y", "u", "q", "tab"} {
		press(t, m, "u")
		if m.doomed == nil || !strings.Contains(m.status(), "Unlink frames (64.0M, 2 mappers, 3 opens)? y: yes") {
			t.Fatalf("it says %q", m.status())
		}
		press(t, m, other)
		if m.doomed != nil || len(unlinked) > 0 {
			t.Fatalf("key %s confirms", other)
		}
	}
	press(t, m, "u", "y")
	if len(unlinked) != 1 || <-unlinked != "frames" || m.message != "unlinked frames" {
		t.Errorf("it says %q", m.message)
	}
	press(t, m, "/", "i", "n", "n", "e", "r", "enter", "u", "y")
	if len(unlinked) != 1 || <-unlinked != "dir/inner" {
		t.Errorf("it says %q", m.message)
	}
	press(t, m, "tab", "esc", "u", "y")
	if len(unlinked) != 1 || <-unlinked != "sem.bad" {
		t.Errorf("it says %q", m.message)
	}
	m.unlink = func(string, uint64) error { return unix.EPERM }
	press(t, m, "u", "y")
	if m.message != "sem.bad is not unlinked: operation not permitted" {
		t.Errorf("it says %q", m.message)
	}
	press(t, m, "tab", "/", "d", "i", "r", "enter", "end", "u")
	if m.doomed != nil || !strings.Contains(m.message, "is a directory") {
		t.Errorf("it says %q", m.message)
	}
}

func TestRates(t *testing.T) {
	m, _ := newFixtureModel(t, plain, 80, 24)
	m.interval = 700 * time.Millisecond
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, time.Second / 2, time.Second} {
		press(t, m, "r")
		if m.interval != want {
			t.Errorf("the interval is %v, want %v", m.interval, want)
		}
	}
}

func quits(command tea.Cmd) bool {
	if command == nil {
		return false
	}
	_, quit := command().(tea.QuitMsg)
	return quit
}

func TestQuitting(t *testing.T) {
	for _, keys := range [][]string{{"q"}, {"ctrl+c"}, {"u", "ctrl+c"}, {"/", "ctrl+c"}, {"h", "q"}, {"h", "ctrl+c"}} {
		m, _ := newFixtureModel(t, plain, 80, 24)
		press(t, m, keys[:len(keys)-1]...)
		if _, command := m.Update(keyOf(t, keys[len(keys)-1])); !quits(command) {
			t.Errorf("%q do not quit", keys)
		}
	}
}

func TestMountThatDoesNotAnswer(t *testing.T) {
	m, _ := newFixtureModel(t, plain, 80, 24)
	now := time.Unix(2000, 0)
	m.now = func() time.Time { return now }
	answer := func() (*Sample, error) { return nil, errNoAnswer }
	m.sampling = func(Request, time.Duration) (*Sample, error) { return answer() }
	command := m.ask()
	for range 3 {
		now = now.Add(patience)
		if _, command = m.Update(command()); command == nil || !m.asking {
			t.Fatal("it does not go on asking")
		}
	}
	if want := "the mount has not answered for 6s"; m.status() != want {
		t.Errorf("it says %q, want %q", m.status(), want)
	}
	press(t, m, "tab", "s", "down")
	requireFits(t, m)
	answer = func() (*Sample, error) { return fixture(t, "after", Request{}), nil }
	if _, command = m.Update(command()); command == nil || m.asking || m.late || m.status() != "" {
		t.Errorf("it says %q", m.status())
	}
	answer = func() (*Sample, error) { return nil, fmt.Errorf("gone: %w", ErrGone) }
	if _, command = m.Update(m.ask()()); !quits(command) || !errors.Is(m.fatal, ErrGone) {
		t.Errorf("without a mount it goes on: %v", m.fatal)
	}
}

// Keys work before there is anything to show.
func TestBeforeTheFirstSample(t *testing.T) {
	m := newModel("/mnt/\x1bshared", time.Second, plain)
	m.sampling = func(Request, time.Duration) (*Sample, error) { return nil, errNoAnswer }
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	command := m.Init()
	m.Update(command())
	for _, keys := range []string{"tab", "s", "S", "down", "end", "G", "u", "enter", "]", "r", "/", "x", "enter", "esc", "esc", "h", "h"} {
		m.Update(keyOf(t, keys))
		requireFits(t, m)
	}
	if screen := m.screen(); !strings.Contains(screen, `/mnt/\033shared has not answered for`) {
		t.Errorf("the screen is %q", screen)
	}
	if _, command := m.Update(keyOf(t, "q")); !quits(command) {
		t.Error("q does not quit")
	}
}

// There is one sample at a time, however many things ask for one.
func TestSamplesFollowEachOther(t *testing.T) {
	m, _ := newFixtureModel(t, plain, 80, 24)
	first := m.ask()
	stale := turnMessage(m.turn)
	press(t, m, "r", "r", "r")
	if !m.asking || !m.hurried {
		t.Error("nothing is to follow")
	}
	_, second := m.Update(first())
	if second == nil || !m.asking || m.hurried {
		t.Fatal("nothing follows")
	}
	if _, command := m.Update(stale); command != nil {
		t.Error("a turn that is over counts")
	}
	if _, command := m.Update(second()); command == nil || m.asking {
		t.Error("it does not wait for the next turn")
	}
	if _, command := m.Update(turnMessage(m.turn)); command == nil || !m.asking {
		t.Error("the next turn does nothing")
	}
}

func TestFrame(t *testing.T) {
	m, _ := newFixtureModel(t, plain, 0, 0)
	m.interval = 0
	golden(t, "once", m.frame(80))
}
