package fs

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// badHelperName is argv[0] of this test binary in the place of a helper process that does not do its work.
const badHelperName = "shmfs-bad-helper"

func runBadHelper() {
	if os.Args[0] != badHelperName {
		return
	}
	bad[os.Args[1]]()
	os.Exit(0)
}

// bad are the ways not to do it.
var bad = map[string]func(){
	"leaves at once": func() {},
	"leaves with a request": func() {
		readRequest()
	},
	"does what it does not answer": func() {
		if request := readRequest(); request != nil && len(os.Args) == 4 {
			device, _ := strconv.ParseUint(os.Args[3], 10, 64)
			(&helperProcess{root: os.Args[2], device: device}).answer(request)
		}
	},
	"answers nothing": func() {
		for readRequest() != nil {
		}
	},
	"answers nonsense": func() {
		for readRequest() != nil {
			_, _ = unix.Write(helperSocket, []byte("nonsense"))
		}
	},
	"answers others": func() {
		for request := readRequest(); request != nil; request = readRequest() {
			_, _ = unix.Write(helperSocket, (&helperAnswer{number: request.number + 1000}).encode())
		}
	},
	"reads nothing": func() {
		_, _ = unix.Poll([]unix.PollFd{{Fd: helperSocket}}, -1) // until the socket is closed
	},
	"answers only what is good": func() {
		for request := readRequest(); request != nil; request = readRequest() {
			if request.target.path == "good" {
				_, _ = unix.Write(helperSocket, (&helperAnswer{number: request.number}).encode())
			}
		}
	},
}

// readRequest returns the next request, or nil at the end.
func readRequest() *helperRequest {
	buffer := make([]byte, helperMessageSize)
	for {
		n, err := unix.Read(helperSocket, buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return nil
		}
		request, err := parseHelperRequest(buffer[:n])
		if err != nil {
			return nil
		}
		return &request
	}
}

// newBadHelped is a helper whose processes do not do their work.
func newBadHelped(t *testing.T, how string, patience time.Duration) *helped {
	t.Helper()
	h := newHelped(t)
	h.patience = patience
	h.command = func(socket *os.File) *exec.Cmd {
		return &exec.Cmd{Path: "/proc/self/exe", Args: []string{badHelperName, how}, ExtraFiles: []*os.File{socket}}
	}
	return h
}

func TestBadHelpersAreGivenUp(t *testing.T) {
	for how := range bad {
		if how == "answers only what is good" {
			continue
		}
		t.Run(how, func(t *testing.T) {
			h := newBadHelped(t, how, time.Second)
			for range 2 {
				wantErrno(t, "Post", h.Post(by("sem.a", 1), 1), unix.EIO)
			}
			if text := h.text.String(); strings.Count(text, "is given up") < 2 {
				t.Errorf("the log does not say it:\n%s", text)
			}
		})
	}
}

// A helper that takes no more requests is given up too.
func TestHelperThatIsFullIsGivenUp(t *testing.T) {
	h := newBadHelped(t, "reads nothing", time.Second)
	const many = 200 // more than the socket holds
	results := make(chan error, many)
	for range many {
		go func() { results <- h.Post(by(strings.Repeat("x", 4000), 1), 1) }()
	}
	for range many {
		if err := <-results; err == nil || errnoOf(err) != unix.EIO {
			t.Fatalf("error is %v", err)
		}
	}
}

// What one operation waits for holds up no other.
func TestHelperThatHangsHoldsUpNoOther(t *testing.T) {
	h := newBadHelped(t, "answers only what is good", lateness)
	hanging := make(chan error, 1)
	go func() { hanging <- h.Post(by("bad", 1), 1) }()
	for deadline := time.Now().Add(lateness); h.waiting() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the request was not sent")
		}
		time.Sleep(time.Millisecond)
	}
	for range 100 {
		if err := h.Post(by("good", 1), 1); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-hanging:
		t.Errorf("the other ended: %v", err)
	default:
	}
	h.close()
	wantErrno(t, "the other after the end", <-hanging, unix.EIO)
}

func (h *helped) waiting() int {
	link, err := h.link()
	if err != nil {
		return 0
	}
	link.mu.Lock()
	defer link.mu.Unlock()
	return len(link.pending)
}

func TestHelperThatCannotBeStarted(t *testing.T) {
	h := newHelped(t)
	h.command = func(*os.File) *exec.Cmd { return &exec.Cmd{Path: "/nonexistent"} }
	if err := h.Post(by("sem.a", 1), 1); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "starting") {
		t.Errorf("error is %v", err)
	}
}
