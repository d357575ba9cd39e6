package keep

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Client has descriptors held by a supervisor. All methods may be called concurrently.
type Client struct {
	mu   sync.Mutex
	link *Link          // to the supervisor; guarded by mu
	kept map[uint64]int // by number, for a successor of the supervisor; owned; guarded by mu
}

// NewClient returns a client of the supervisor at a link, which holds those descriptors already. It takes them over.
func NewClient(link *Link, kept map[uint64]int) *Client {
	if kept == nil {
		kept = make(map[uint64]int)
	}
	return &Client{link: link, kept: kept}
}

// Keep has a descriptor held under a number; another that was held under it is let go. The caller's own stays the caller's. When the
// supervisor is gone its successor will hold it. EMFILE when this process may open no more files.
func (c *Client) Keep(number uint64, descriptor int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	own, err := unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("copying a descriptor: %w", err)
	}
	err = c.link.Send(Message{Kind: Keep, Numbers: []uint64{number}, Files: []int{own}})
	if err != nil && !Gone(err) {
		_ = unix.Close(own)
		return err
	}
	if before, held := c.kept[number]; held {
		_ = unix.Close(before)
	}
	c.kept[number] = own
	return nil
}

// LetGo has what is held under a number closed. A number that nothing is held under is no error.
func (c *Client) LetGo(number uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	own, held := c.kept[number]
	if !held {
		return nil
	}
	_ = unix.Close(own)
	delete(c.kept, number)
	if err := c.link.Send(Message{Kind: LetGo, Numbers: []uint64{number}}); err != nil && !Gone(err) {
		return err
	}
	return nil
}

// Follow goes over to another supervisor, and has it hold everything. With an error, nothing has changed for this side.
func (c *Client) Follow(link *Link) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := inBatches(c.kept, func(numbers []uint64, files []int) error {
		return link.Send(Message{Kind: Keep, Numbers: numbers, Files: files})
	}); err != nil {
		return err
	}
	c.link = link
	return nil
}

// Close gives this side's copies back. What the supervisor holds it holds on to.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for number, own := range c.kept {
		_ = unix.Close(own)
		delete(c.kept, number)
	}
}

// inBatches hands descriptors to a function, as many at a time as a message holds.
func inBatches(kept map[uint64]int, send func(numbers []uint64, files []int) error) error {
	var numbers []uint64
	var files []int
	for number, descriptor := range kept {
		numbers, files = append(numbers, number), append(files, descriptor)
		if len(files) < MostFiles {
			continue
		}
		if err := send(numbers, files); err != nil {
			return err
		}
		numbers, files = nil, nil
	}
	if len(files) == 0 {
		return nil
	}
	return send(numbers, files)
}
