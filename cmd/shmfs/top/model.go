package top

import (
	"errors"
	"fmt"
	"time"

	"shmfs/fs/table"

	tea "charm.land/bubbletea/v2"
)

// patience is how long a sample may take before the screen tells that the mount does not answer.
const patience = 2 * time.Second

// semaphorePrefix stands before a semaphore's name in the name of its file.
const semaphorePrefix = "sem."

// Model is what is on the screen and what keys do to it. It is for one goroutine at a time, and never waits.
type Model struct {
	mount    string
	sampling func(Request, time.Duration) (*Sample, error) // called by one goroutine at a time
	unlink   func(name string, inode uint64) error
	now      func() time.Time
	palette  palette
	interval time.Duration

	width, height int // of the screen, in cells

	sample     *Sample     // nil before the first
	objectRows []objectRow // all of them
	objects    list[objectRow]
	semaphores list[Semaphore]
	inSem      bool   // semaphores are shown, not objects
	filter     string // of names, both lists
	typing     bool   // keys go into the filter
	detail     bool   // the detail pane is open
	scroll     int    // lines of the detail above its pane
	help       bool
	doomed     *doomed // waits for a confirmation
	message    string

	asking  bool      // a sample is being read
	asked   time.Time // when that began
	late    bool      // it has taken longer than patience
	hurried bool      // another one is to follow at once
	turn    int       // of waiting for the next sample: what an earlier one said counts for nothing
	fatal   error     // why it ended
}

// doomed is what will be unlinked if that is confirmed.
type doomed struct {
	name  string
	inode uint64
}

type (
	sampleMessage struct {
		sample *Sample
		err    error
	}
	turnMessage     int
	unlinkedMessage struct {
		name string
		err  error
	}
)

// newModel returns the model of a mount, which shows nothing before it is told a sample.
func newModel(mount string, interval time.Duration, palette palette) *Model {
	return &Model{mount: mount, sampling: newSampler(mount).Sample, unlink: directory(mount).unlink, now: time.Now, palette: palette,
		interval: interval, objects: newObjectList(), semaphores: newSemaphoreList()}
}

// Init begins with a sample.
func (m *Model) Init() tea.Cmd {
	if m.sample != nil {
		return m.wait()
	}
	return m.ask()
}

// Update does what a message says.
func (m *Model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = message.Width, message.Height
	case tea.KeyPressMsg:
		return m, m.key(message)
	case tea.PasteMsg:
		if m.typing {
			m.extend(message.Content)
		}
	case turnMessage:
		if int(message) == m.turn {
			return m, m.ask()
		}
	case sampleMessage:
		return m, m.answered(message)
	case unlinkedMessage:
		m.message = "unlinked " + table.Escape(message.name)
		if message.err != nil {
			m.message = fmt.Sprintf("%s is not unlinked: %v", table.Escape(message.name), message.err)
		}
		return m, m.hurry()
	}
	return m, nil
}

// View is the screen.
func (m *Model) View() tea.View {
	view := tea.NewView(m.screen())
	view.AltScreen = true
	return view
}

// ask begins to read a sample.
func (m *Model) ask() tea.Cmd {
	if !m.late {
		m.asked = m.now()
	}
	m.asking, m.hurried = true, false
	m.turn++
	request := m.request()
	return func() tea.Msg {
		sample, err := m.sampling(request, patience)
		return sampleMessage{sample, err}
	}
}

// hurry has a sample read at once, or after the one that is being read.
func (m *Model) hurry() tea.Cmd {
	if m.asking {
		m.hurried = true
		return nil
	}
	return m.ask()
}

// answered takes a sample over, or what came instead of one.
func (m *Model) answered(message sampleMessage) tea.Cmd {
	m.asking = false
	m.late = errors.Is(message.err, errNoAnswer)
	switch {
	case m.late:
		return m.ask()
	case message.err != nil:
		m.fatal = message.err
		return tea.Quit
	}
	m.show(message.sample)
	if m.hurried {
		return m.ask()
	}
	return m.wait()
}

// wait waits until it is time for the next sample. Reading takes half of the time at most, so that a large mount is not kept busy by being looked at.
func (m *Model) wait() tea.Cmd {
	m.turn++
	turn := m.turn
	return tea.Tick(max(m.interval-m.sample.Took, m.sample.Took), func(time.Time) tea.Msg { return turnMessage(turn) })
}

// show takes over a sample.
func (m *Model) show(sample *Sample) {
	happened := changes(m.sample, sample)
	m.sample = sample
	m.objectRows = make([]objectRow, len(sample.Objects))
	for i, object := range sample.Objects {
		m.objectRows[i] = objectRow{object, happened[object.Name]}
	}
	m.setFilter(m.filter)
}

// request is what the next sample is to have.
func (m *Model) request() Request {
	if !m.detail {
		return Request{}
	}
	return Request{Name: m.selected(), Cells: m.mapLines() * mapWidth(m.width)}
}

// selected is the name below the root of what is selected, empty if there is nothing.
func (m *Model) selected() string {
	if !m.inSem {
		return m.objects.selected
	}
	if m.semaphores.current() == nil {
		return ""
	}
	return semaphorePrefix + m.semaphores.selected
}
