package faults

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// semaphores are a client's own: nobody else uses them, so that it knows the value.
type semaphores struct {
	client     *client
	path       string
	value      int // units that could be taken
	held       int // units that the descriptor has acquired
	descriptor int
	impatient  int // the same semaphore, open with O_NONBLOCK
	epoll      int // has the descriptor registered as long as the client lives
	memory     *libc
	partner    *partner
}

// openSemaphores creates the client's semaphore.
func (c *client) openSemaphores() *semaphores {
	s := &semaphores{client: c, path: filepath.Join(c.Place, fmt.Sprintf("sem.client-%d", c.Number)), value: 2}
	descriptor, err := unix.Open(s.path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	c.want(err, 0, "creating %s", s.path)
	_, err = unix.Write(descriptor, []byte("2\n"))
	c.want(err, 0, "initialising %s", s.path)
	c.want(unix.Close(descriptor), 0, "closing %s", s.path)
	s.descriptor, err = unix.Open(s.path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	c.want(err, 0, "opening %s", s.path)
	s.impatient, err = unix.Open(s.path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	c.want(err, 0, "opening %s", s.path)
	s.memory, err = mapSemaphore(s.descriptor)
	c.want(err, 0, "mapping %s", s.path)
	s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	c.want(err, 0, "epoll_create1")
	c.want(unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, s.descriptor, &unix.EpollEvent{Events: unix.EPOLLIN}), 0, "epoll_ctl")
	s.partner = c.startPartner(s.path)
	return s
}

// finish gives back what is held and closes everything.
func (s *semaphores) finish() {
	if s == nil {
		return
	}
	c := s.client
	if s.held > 0 {
		s.command(fmt.Sprintf("release %d", s.held), 0)
		s.value, s.held = s.value+s.held, 0
	}
	s.requireAll()
	c.want(s.partner.stop(), 0, "ending the partner")
	for _, descriptor := range []int{s.epoll, s.descriptor, s.impatient} {
		c.want(unix.Close(descriptor), 0, "closing %s", s.path)
	}
	for deadline := now() + patience; s.memory.waiters() != 0; pause(time.Millisecond) { // the daemon waits for those who poll
		if now() > deadline {
			c.fail("%d wait for %s in memory, which nobody has open", s.memory.waiters(), s.path)
		}
	}
	c.want(s.memory.unmap(), 0, "unmapping %s", s.path)
	c.semaphores = nil
}

// command writes a command, which fails with the errno.
func (s *semaphores) command(text string, errno unix.Errno) {
	s.commandBy(s.descriptor, text, errno)
}

func (s *semaphores) commandBy(descriptor int, text string, errno unix.Errno) {
	err := s.client.call("sem "+strings.Fields(text)[0], text, func() error {
		_, err := unix.Write(descriptor, []byte(text+"\n"))
		return err
	})
	s.client.want(err, errno, "%q to %s", text, s.path)
}

// requireAll checks the value, who holds and that nobody waits, by text and in memory.
func (s *semaphores) requireAll() {
	if s == nil {
		return
	}
	s.requireText("value", s.value)
	s.requireText("held", s.held)
	s.requireText("waiters", 0)
	s.requireValue()
}

// requireValue checks the value in memory.
func (s *semaphores) requireValue() {
	if got := s.memory.value(); got != s.value {
		s.client.fail("%s has the value %d in memory, want %d", s.path, got, s.value)
	}
}

// requireText checks a line of the text.
func (s *semaphores) requireText(key string, want int) {
	got := s.client.semaphoreLine(s.descriptor, key)
	if number, err := strconv.Atoi(got); err != nil || number != want {
		s.client.fail("%s says %s: %q, want %d", s.path, key, got, want)
	}
}

// semaphoreLine reads a semaphore's text and returns the value of a key.
func (c *client) semaphoreLine(descriptor int, key string) string {
	text := make([]byte, page)
	length := 0
	err := c.call("sem text", key, func() (err error) { length, err = unix.Pread(descriptor, text, 0); return err })
	c.want(err, 0, "reading a semaphore")
	for line := range strings.Lines(string(text[:length])) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ": "); found && name == key {
			return value
		}
	}
	c.fail("a semaphore says %q, and no %s", text[:length], key)
	return ""
}

func (c *client) post() {
	s := c.semaphores
	count := 1 + c.random.IntN(3)
	if s.value > 50 {
		c.set()
	}
	text := fmt.Sprintf("post %d\n", count)
	c.want(c.call("sem post", text, func() error { return c.Lie.post(s.descriptor, text) }), 0, "%q", text)
	s.value += count
	s.requireValue()
	s.requireText("value", s.value)
}

// take takes a unit without waiting, if there is one.
func (c *client) take() {
	s := c.semaphores
	command, descriptor := "trywait", s.descriptor
	if c.chance(2) {
		command, descriptor = "wait", s.impatient
	}
	if s.value == 0 {
		s.commandBy(descriptor, command, unix.EAGAIN)
	} else {
		s.commandBy(descriptor, command, 0)
		s.value--
	}
	s.requireValue()
}

func (c *client) set() {
	s := c.semaphores
	value := c.random.IntN(6)
	s.command(fmt.Sprintf("set %d", value), 0)
	s.value = value
	s.requireValue()
	s.requireText("value", s.value)
}

// hold acquires or releases units; or acquires some by another open file, which gives them back by being closed.
func (c *client) hold() {
	s := c.semaphores
	count := 1 + c.random.IntN(2)
	switch c.random.IntN(3) {
	case 0:
		if s.value < count {
			return
		}
		s.command(fmt.Sprintf("acquire %d", count), 0)
		s.value, s.held = s.value-count, s.held+count
	case 1:
		if s.held < count {
			s.command(fmt.Sprintf("release %d", count), unix.EPERM)
			return
		}
		s.command(fmt.Sprintf("release %d", count), 0)
		s.value, s.held = s.value+count, s.held-count
	case 2:
		c.holdBriefly(count)
	}
	s.requireValue()
	s.requireText("held", s.held)
}

// holdBriefly acquires units by a file of its own and closes it. The daemon is told of that later.
func (c *client) holdBriefly(count int) {
	s := c.semaphores
	if s.value < count {
		return
	}
	descriptor := 0
	c.want(c.call("open", s.path, func() (err error) {
		descriptor, err = unix.Open(s.path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		return err
	}), 0, "opening %s", s.path)
	s.commandBy(descriptor, fmt.Sprintf("acquire %d", count), 0)
	s.value -= count
	s.requireValue()
	s.requireText("held", s.held+count)
	c.want(c.call("close", fmt.Sprint(descriptor), func() error { return unix.Close(descriptor) }), 0, "closing %s", s.path)
	s.value += count
	for deadline := now() + patience; s.memory.value() != s.value; time.Sleep(100 * time.Microsecond) {
		if now() > deadline {
			c.fail("units that were held did not come back: the value is %d, want %d", s.memory.value(), s.value)
		}
	}
}

// empty makes the value 0.
func (s *semaphores) empty() {
	if s.value != 0 {
		s.command("set 0", 0)
		s.value = 0
	}
}

// await waits for a unit that the partner posts.
func (c *client) await() {
	s := c.semaphores
	s.empty()
	way := pick(c, []string{"wait", "timedwait 60", "acquire", "memory"})
	c.postSoon()
	err := c.timed("await "+way, "", func() (time.Duration, error) {
		var err error
		if way == "memory" {
			err = s.memory.wait(patience)
		} else {
			_, err = unix.Write(s.descriptor, []byte(way+"\n"))
		}
		return c.hasPosted(), err
	})
	c.want(err, 0, "%q while somebody posts", way)
	if way == "acquire" {
		s.held++
	}
	s.requireAll()
}

// timeOut waits for what does not come.
func (c *client) timeOut() {
	s := c.semaphores
	s.empty()
	err := c.timed("sem timeout", "", func() (time.Duration, error) {
		_, err := unix.Write(s.descriptor, []byte("timedwait 0.01\n"))
		return never, err
	})
	c.want(err, unix.ETIMEDOUT, "timedwait on an empty semaphore")
	s.requireAll()
}

// poll waits with poll(2) or epoll(7) for a unit that the partner posts, and takes it.
func (c *client) poll() {
	s := c.semaphores
	s.empty()
	if c.ready(0) {
		c.fail("poll says that an empty semaphore is ready")
	}
	c.postSoon()
	ready := false
	_ = c.timed("poll", "", func() (time.Duration, error) {
		ready = c.ready(patience)
		return c.hasPosted(), nil
	})
	if !ready {
		c.fail("poll was not told of a post")
	}
	s.value++
	s.requireValue()
	s.command("trywait", 0)
	s.value--
}

// ready says whether a unit could be taken, and waits for it so long.
func (c *client) ready(most time.Duration) bool {
	s := c.semaphores
	if c.chance(2) {
		events := make([]unix.EpollEvent, 1)
		count, err := unix.EpollWait(s.epoll, events, int(most.Milliseconds()))
		c.want(err, 0, "epoll_wait")
		if count == 1 && events[0].Events != unix.EPOLLIN {
			c.fail("epoll_wait tells %#x", events[0].Events)
		}
		return count == 1
	}
	polled := []unix.PollFd{{Fd: int32(s.descriptor), Events: unix.POLLIN}}
	count, err := unix.Poll(polled, int(most.Milliseconds()))
	c.want(err, 0, "poll")
	if count == 1 && polled[0].Revents != unix.POLLIN {
		c.fail("poll tells %#x", polled[0].Revents)
	}
	return count == 1
}

// useMemory posts and takes as libc does, and looks at what the text says.
func (c *client) useMemory() {
	s := c.semaphores
	if c.chance(2) {
		c.want(s.memory.post(), 0, "post in memory")
		s.value++
	} else if took := s.memory.tryWait(); took != (s.value > 0) {
		c.fail("taking a unit in memory says %v, the value is %d", took, s.value)
	} else if took {
		s.value--
	}
	s.requireText("value", s.value)
}
