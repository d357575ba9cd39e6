package greed

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// play reads orders, a line each, until its input ends, and answers each with a line.
func play(role string, arguments []string) error {
	unix.Umask(0)
	obey := map[string]func(words []string) (string, error){"holder": (&holder{}).obey, "prober": (&prober{place: arguments[0]}).obey,
		"flood": (&flood{place: arguments[0]}).obey}[role]
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		answer, err := obey(strings.Fields(orders.Text()))
		if err != nil {
			return fmt.Errorf("%s: %w", orders.Text(), err)
		}
		fmt.Println(answer)
	}
	return nil
}

// holder opens files and waits in them.
type holder struct {
	open    []int
	waiting sync.WaitGroup
	mu      sync.Mutex
	ended   map[unix.Errno]int // waits, by the errno that they returned; guarded by mu
}

func (h *holder) obey(words []string) (string, error) {
	switch words[0] {
	case "open": // PATH FLAGS TIMES: how often it could be opened, and with which errno it failed then
		return h.openMany(words[1], number(words[2]), number(words[3]))
	case "close": // the descriptor that was opened last
		err := unix.Close(h.open[len(h.open)-1])
		h.open = h.open[:len(h.open)-1]
		return "closed", err
	case "write": // TEXT by the descriptor that was opened last
		_, err := unix.Write(h.open[len(h.open)-1], []byte(words[1]))
		return errnoName(err), nil
	case "wait": // COUNT: so many threads write wait to the last descriptors, or read them
		h.wait(words[1], number(words[2]))
		return "begun", nil
	case "ended": // how the waits have ended so far
		return h.outcome(), nil
	}
	return "", fmt.Errorf("what is %q", words[0])
}

func number(word string) int {
	value, err := strconv.Atoi(word)
	if err != nil {
		panic(err)
	}
	return value
}

func errnoName(err error) string {
	if errno, is := err.(unix.Errno); is && errno != 0 {
		return unix.ErrnoName(errno)
	}
	return "done"
}

func (h *holder) openMany(path string, flags, times int) (string, error) {
	for i := range times {
		descriptor, err := unix.Open(strings.ReplaceAll(path, "%", strconv.Itoa(i)), flags|unix.O_CLOEXEC, 0o666)
		if err != nil {
			return fmt.Sprintf("%d %s", i, errnoName(err)), nil
		}
		h.open = append(h.open, descriptor)
	}
	return fmt.Sprintf("%d", times), nil
}

// wait has threads wait, each by a descriptor of its own, counted from the last.
func (h *holder) wait(how string, count int) {
	for _, descriptor := range h.open[len(h.open)-count:] {
		h.waiting.Go(func() {
			var err error
			if how == "write" {
				_, err = unix.Write(descriptor, []byte("wait"))
			} else {
				_, err = unix.Read(descriptor, make([]byte, 4096))
			}
			errno, _ := err.(unix.Errno)
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.ended == nil {
				h.ended = make(map[unix.Errno]int)
			}
			h.ended[errno]++
		})
	}
}

func (h *holder) outcome() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var text []string
	for errno, count := range h.ended {
		text = append(text, fmt.Sprintf("%d %s", count, errnoName(errno)))
	}
	slices.Sort(text)
	return strings.Join(text, ", ")
}

// flood makes as many calls at a time as it has threads.
type flood struct {
	place   string
	on      atomic.Bool
	calls   atomic.Int64
	threads sync.WaitGroup
	failed  atomic.Pointer[string]
}

func (f *flood) obey(words []string) (string, error) {
	switch words[0] {
	case "begin": // KIND THREADS
		f.on.Store(true)
		for thread := range number(words[2]) {
			f.threads.Go(func() { f.run(words[1], thread) })
		}
		return "begun", nil
	case "calls": // how many were made
		return strconv.FormatInt(f.calls.Load(), 10), nil
	case "end": // how the first call failed that did
		f.on.Store(false)
		f.threads.Wait()
		if failed := f.failed.Load(); failed != nil {
			return *failed, nil
		}
		return "ended", nil
	}
	return "", fmt.Errorf("what is %q", words[0])
}

func (f *flood) run(kind string, thread int) {
	call := floods[kind]
	for f.on.Load() {
		if err := call(f.place, thread); err != nil {
			text := fmt.Sprintf("%s: %v", kind, err)
			f.failed.CompareAndSwap(nil, &text)
			return
		}
		f.calls.Add(1)
	}
}

// floods are kinds of calls that come in masses. None keeps locked what the other user needs: for that they would wait on tmpfs too.
var floods = map[string]func(place string, thread int) error{
	"stat": func(place string, _ int) error {
		var stat unix.Stat_t
		return unix.Stat(place+"/shared", &stat)
	},
	"open": func(place string, _ int) error {
		descriptor, err := unix.Open(place+"/shared", unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		return unix.Close(descriptor)
	},
	"write": func(place string, thread int) error {
		descriptor, err := unix.Open(fmt.Sprintf("%s/%d/written%d", place, os.Getuid(), thread), unix.O_RDWR|unix.O_CREAT, 0o600)
		if err != nil {
			return err
		}
		defer unix.Close(descriptor)
		for i := range 20 {
			if _, err := unix.Pwrite(descriptor, make([]byte, 8<<10), int64(i%4)<<13); err != nil {
				return err
			}
		}
		return nil
	},
	"maps": func(place string, _ int) error {
		_, err := os.ReadFile(place + "/.shmfs/maps")
		return err
	},
	"refused-open": func(place string, _ int) error { return refusedOpen(place + "/shared") },
	"refused-text": func(place string, _ int) error { return refusedOpen(place + "/.shmfs/objects") },
	"refused-wait": func(place string, _ int) error {
		descriptor, err := unix.Open(place+"/sem.held", unix.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer unix.Close(descriptor)
		if _, err := unix.Write(descriptor, []byte("wait")); err != unix.EAGAIN {
			return fmt.Errorf("waiting: %w", err)
		}
		return nil
	},
}

// refusedOpen is no error if a file cannot be opened for having too many.
func refusedOpen(path string) error {
	descriptor, err := unix.Open(path, unix.O_RDONLY, 0)
	switch err {
	case unix.EMFILE:
		return nil
	case nil:
		return errors.Join(errors.New("it can be opened"), unix.Close(descriptor))
	}
	return err
}
