package keep

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Holder holds descriptors by number. All methods may be called concurrently.
type Holder struct {
	mu   sync.Mutex
	held map[uint64]int // owned; guarded by mu
}

// Obey does what a message of the kinds Keep, Kept and LetGo asks for, and takes over its descriptors. EPROTO if it makes no sense.
func (h *Holder) Obey(m *Message) error {
	if m.Kind == LetGo {
		for _, number := range m.Numbers {
			h.letGo(number)
		}
		return nil
	}
	if m.Kind != Keep && m.Kind != Kept || len(m.Numbers) != len(m.Files) {
		m.Close()
		return fmt.Errorf("a message of kind %d with %d numbers to hold things by: %w", m.Kind, len(m.Numbers), unix.EPROTO)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		h.held = make(map[uint64]int)
	}
	for i, number := range m.Numbers {
		if before, held := h.held[number]; held {
			_ = unix.Close(before)
		}
		h.held[number] = m.Files[i]
	}
	m.Files = nil
	return nil
}

func (h *Holder) letGo(number uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if descriptor, held := h.held[number]; held {
		_ = unix.Close(descriptor)
		delete(h.held, number)
	}
}

// Send sends everything that is held over a link, in messages of the kind Kept.
func (h *Holder) Send(link *Link) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return inBatches(h.held, func(numbers []uint64, files []int) error {
		return link.Send(Message{Kind: Kept, Numbers: numbers, Files: files})
	})
}

// Count returns how many descriptors are held.
func (h *Holder) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held)
}

// Take returns everything that was held: it is the caller's now.
func (h *Holder) Take() map[uint64]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.held
	h.held = nil
	return all
}

// Close lets go of everything.
func (h *Holder) Close() {
	for _, descriptor := range h.Take() {
		_ = unix.Close(descriptor)
	}
}
