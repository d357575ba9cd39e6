package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// order is what a client is told, as JSON in its first argument.
type order struct {
	Place  string // the mount
	Number int    // of the client, from 0
	Seed   uint64
	Plain  bool   // the place is a tmpfs: no semaphores
	Lie    lie    // what the client does wrong, for a test of the tests
	Only   string // the operation that the client does, besides those that it needs; empty: all
}

// report is what a client says when it ends.
type report struct {
	Wrong   string // the first thing that was; empty: nothing
	History []string
	Times   times
	Done    map[string]int // operations, by name: how often
	Shared  share          // what it did with what all have
	Beyond  int            // bytes that its files are charged beyond their sizes
}

// wrong is the panic that ends a client when something is not as the model has it.
type wrong string

// client is the state of a client process. One goroutine, locked to its thread, makes the calls; another one, the partner, posts.
type client struct {
	order
	random *rand.Rand
	own    *node // the client's own directory
	home   int   // descriptor of it
	files  []*opened
	mapped []*mapping
	made   []*node // every directory that exists

	history [60]string // the last calls, round about
	calls   int
	done    map[string]int // operations, by name: how often
	times   times
	current atomic.Pointer[span] // the call that is under way; nil: none
	stopped atomic.Bool

	semaphores *semaphores // nil on a plain tmpfs
	common     *common
}

// runClient is the life of a client process: it says "ready", goes on when it reads a line, stops when it reads another, and prints its
// report.
func runClient(argument string) error {
	runtime.LockOSThread()
	debug.SetPanicOnFault(true)
	c := &client{done: map[string]int{}}
	if err := json.Unmarshal([]byte(argument), &c.order); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	c.random = rand.New(rand.NewPCG(c.Seed, uint64(c.Number)))
	unix.Umask(0)
	orders := bufio.NewReader(os.Stdin)
	found := c.protected(c.begin)
	if found == "" {
		fmt.Println("ready")
		if _, err := orders.ReadString('\n'); err != nil {
			return fmt.Errorf("waiting for the start: %w", err)
		}
		go func() {
			_, _ = orders.ReadString('\n') // an end of the input is an order to stop, too
			c.stopped.Store(true)
		}()
		go c.watch()
		found = c.protected(c.work)
	}
	return json.NewEncoder(os.Stdout).Encode(c.report(found))
}

func (c *client) report(found string) report {
	told := report{Wrong: found, Times: c.times, Done: c.done, Shared: c.common.shares()}
	seen := map[*node]bool{}
	for _, directory := range c.made {
		for _, n := range directory.names {
			if !seen[n] {
				told.Beyond += n.chargedBeyond()
			}
			seen[n] = true
		}
	}
	if found != "" {
		for i := range c.history {
			if line := c.history[(c.calls+1+i)%len(c.history)]; line != "" {
				told.History = append(told.History, line)
			}
		}
	}
	return told
}

// watch ends the process with a report when a call hangs.
func (c *client) watch() {
	for {
		time.Sleep(time.Second)
		call := c.current.Load()
		if call == nil || now()-call.Start < patience {
			continue
		}
		told := report{Wrong: fmt.Sprintf("client %d: %s hangs since %v", c.Number, call.Call, now()-call.Start)}
		_ = json.NewEncoder(os.Stdout).Encode(told) // who reads it cuts the mount off
		os.Exit(1)
	}
}

// protected does something and returns what was wrong.
func (c *client) protected(do func()) (found string) {
	defer func() {
		switch panicked := recover().(type) {
		case nil:
		case wrong:
			found = fmt.Sprintf("client %d: %s", c.Number, panicked)
		default:
			found = fmt.Sprintf("client %d: %v\n%s", c.Number, panicked, debug.Stack())
		}
	}()
	do()
	return ""
}

// fail ends the client: something is not as it should be.
func (c *client) fail(format string, arguments ...any) {
	panic(wrong(fmt.Sprintf(format, arguments...)))
}

// begin makes the client's own directory and finds what is shared.
func (c *client) begin() {
	path := filepath.Join(c.Place, fmt.Sprintf("client-%d", c.Number))
	c.own = &node{kind: unix.S_IFDIR, mode: 0o755, links: 2, names: map[string]*node{}}
	c.want(unix.Mkdir(path, 0o755), 0, "mkdir %s", path)
	home, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	c.want(err, 0, "open %s", path)
	c.home = home
	c.made = []*node{c.own}
	c.identify(c.own, c.home)
	c.common = c.openCommon()
	if !c.Plain {
		c.semaphores = c.openSemaphores()
	}
}

// work does random things until it is told to stop, checks everything once more and lets go of what it has.
func (c *client) work() {
	const often = 1500 // calls between looks at everything
	next := often
	for !c.stopped.Load() {
		operation := c.choose()
		operation.run(c)
		c.done[operation.name]++
		if c.calls >= next {
			c.requireAll()
			next = c.calls + often
		}
	}
	c.requireAll()
	c.semaphores.finish()
	c.common.finish()
	for len(c.files) > 0 {
		c.closeFile(c.files[0])
	}
	for len(c.mapped) > 0 {
		c.unmap(c.mapped[0])
	}
	c.requireAll()
	c.call("close", "home", func() error { return unix.Close(c.home) })
}

// call makes a call and notes how long it took.
func (c *client) call(name, arguments string, do func() error) error {
	return c.timed(name, arguments, func() (time.Duration, error) { return 0, do() })
}

// timed makes a call that may have to wait for something that happens at the returned time (0: for nothing), and notes how long it took
// from then.
func (c *client) timed(name, arguments string, do func() (time.Duration, error)) error {
	c.calls++
	one := span{Call: name, Start: now()}
	c.current.Store(&one)
	awaited, err := do()
	c.current.Store(nil)
	end := now()
	c.history[c.calls%len(c.history)] = fmt.Sprintf("%.6f +%v %s(%s) = %v", one.Start.Seconds(), (end - one.Start).Round(time.Microsecond), name, arguments, errorName(err))
	if awaited != never {
		c.times.add(span{Call: name, Start: max(one.Start, awaited), End: max(end, awaited)})
	}
	return err
}

// never says that a call waited for something that has no known time.
const never = time.Duration(-1)

// want ends the client unless a call returned the errno (0: none) that it should have.
func (c *client) want(err error, errno unix.Errno, format string, arguments ...any) {
	if errno == 0 && err == nil || errno != 0 && errors.Is(err, errno) {
		return
	}
	c.fail("%s: %s, want %s", fmt.Sprintf(format, arguments...), errorName(err), errorName(errno))
}

func errorName(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &errno):
		return err.Error()
	case errno == 0:
		return "ok"
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return errno.Error()
}

// chance is true once in so many times.
func (c *client) chance(of int) bool { return c.random.IntN(of) == 0 }

// pick is one of several.
func pick[T any](c *client, from []T) T { return from[c.random.IntN(len(from))] }

// below is the path of something below the client's own directory, as an argument of the calls whose names end with "at": from the open
// directory, or from the machine's root.
func (c *client) below(directory *node, name string) (int, string) {
	if c.chance(2) {
		return c.home, filepath.Join(directory.path(), name)
	}
	return unix.AT_FDCWD, c.absolute(directory, name)
}

func (c *client) absolute(directory *node, name string) string {
	return strings.Join([]string{c.Place, fmt.Sprintf("client-%d", c.Number), directory.path(), name}, "/")
}
