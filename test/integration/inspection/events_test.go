package inspection

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// parse reads events, line by line, and fails the test unless their numbers have no gaps but those that are told.
func parse(t testing.TB, content []byte) []told {
	t.Helper()
	var all []told
	last := uint64(0)
	for line := range strings.Lines(string(content)) {
		var one told
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if _, err := time.Parse(time.RFC3339Nano, one.Time); err != nil {
			t.Errorf("%v in %q", err, line)
		}
		switch {
		case one.Event == "dropped":
			last += uint64(*one.Count)
		case last != 0 && one.Seq != last+1:
			t.Errorf("event %d follows %d", one.Seq, last)
			last = one.Seq
		default:
			last = one.Seq
		}
		all = append(all, one)
	}
	return all
}

// short is an event in few words: what it is about, and its own keys.
func (e *told) short() string {
	text := e.Event + " " + e.Object
	for _, one := range []struct {
		key   string
		value *int64
	}{{"opens", e.Opens}, {"size", e.Size}, {"links", e.Links}, {"owner", e.Owner}, {"group", e.Group}, {"units", e.Units}, {"wanted", e.Wanted}} {
		if one.value != nil {
			text += fmt.Sprintf(" %s=%d", one.key, *one.value)
		}
	}
	for _, one := range [][2]string{{"to", e.To}, {"type", e.Type}, {"flags", e.Flags}, {"mode", e.Mode}} {
		if one[1] != "" {
			text += " " + one[0] + "=" + one[1]
		}
	}
	return text
}

// TestEveryEvent causes every event once.
func TestEveryEvent(t *testing.T) {
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			place.options += ",size=1M"
			mount := place.mount(t)
			in := func(name string) string { return filepath.Join(mount, name) }
			events := open(t, info(mount, "events"), unix.O_RDONLY|unix.O_NONBLOCK)
			collected := collector{t: t, descriptor: events}

			file, err := unix.Open(in("a"), unix.O_RDWR|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC, 0o644)
			must(t, err)
			must(t, unix.Ftruncate(file, 5000))
			must(t, unix.Chmod(in("a"), 0o600))
			must(t, unix.Chown(in("a"), ann, ben))
			must(t, unix.Link(in("a"), in("b")))
			must(t, unix.Mkdir(in("d"), 0o755))
			must(t, unix.Rename(in("b"), in("d/c")))
			must(t, unix.Unlink(in("d/c")))
			must(t, unix.Unlink(in("a")))
			must(t, unix.Close(file))
			collected.until("close")
			must(t, unix.Symlink("a", in("s")))
			must(t, unix.Mkfifo(in("p"), 0o644))
			must(t, unix.Rmdir(in("d")))
			requireEvents(t, collected.events, []string{
				"create a type=file", "open a opens=1 flags=read,write,append", "resize a size=5000", "chmod a owner=0 group=0 mode=0600",
				fmt.Sprintf("chmod a owner=%d group=%d mode=0600", ann, ben), "link a to=b", "create d type=directory", "rename b to=d/c",
				"unlink d/c links=1", "unlink a links=0", "close opens=0 flags=read,write,append",
			})
			collected.until("unlink")
			requireEvents(t, collected.events, []string{"create s type=symlink", "create p type=fifo", "unlink d links=0"})
			semaphoreEvents(t, &collected, in("sem.x"))
			fullEvents(t, &collected, in("full"), place)
		})
	}
}

// semaphoreEvents has a semaphore made, posted, waited for and left by who holds it.
func semaphoreEvents(t *testing.T, collected *collector, path string) {
	t.Helper()
	descriptor, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	must(t, err)
	for _, command := range []string{"3", "post 2", "wait", "acquire"} {
		_, err := unix.Write(descriptor, []byte(command+"\n"))
		must(t, err)
	}
	must(t, unix.Close(descriptor))
	collected.until("holder-died")
	var got []string
	for _, event := range collected.events {
		if event.Event != "open" && event.Event != "close" {
			got = append(got, event.short())
		}
	}
	want := []string{"create sem.x type=semaphore", "sem-post sem.x units=2", "sem-wait sem.x units=1", "sem-wait sem.x units=1", "holder-died sem.x units=1"}
	if !slices.Equal(got, want) {
		t.Errorf("of the semaphore is told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// fullEvents asks for more than there is.
func fullEvents(t *testing.T, collected *collector, path string, place place) {
	t.Helper()
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	must(t, err)
	defer unix.Close(descriptor)
	if err := unix.Fallocate(descriptor, 0, 0, 2<<20); err != unix.ENOSPC {
		t.Fatalf("%s: asking for 2 MiB of 1: %v", place.name, err)
	}
	collected.until("enospc")
	if got := collected.events[len(collected.events)-1].short(); got != "enospc full wanted=2097152" {
		t.Errorf("told %q", got)
	}
}

// requireEvents fails the test unless these happened, in this order, by this process.
func requireEvents(t *testing.T, events []told, want []string) {
	t.Helper()
	var got []string
	command, err := os.ReadFile("/proc/self/comm")
	must(t, err)
	for _, event := range events {
		got = append(got, strings.Join(strings.Fields(event.short()), " "))
		if event.PID != uint64(os.Getpid()) || event.Command+"\n" != string(command) || event.Inode == 0 || event.Seq == 0 {
			t.Errorf("told %+v, want it of process %d, %q", event, os.Getpid(), command)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// collector reads an events file that does not block.
type collector struct {
	t          *testing.T
	descriptor int
	events     []told // of the last until
}

// until waits for an event of a kind, and leaves what was read.
func (c *collector) until(kind string) {
	c.t.Helper()
	c.events = nil
	eventually(c.t, "an event "+kind, func() bool {
		c.events = append(c.events, parse(c.t, drain(c.t, c.descriptor))...)
		return slices.ContainsFunc(c.events, func(event told) bool { return event.Event == kind })
	})
}

// TestWaitingForEvents reads, polls and is interrupted.
func TestWaitingForEvents(t *testing.T) {
	inEach(t, []place{places[0], places[2]}, func(t *testing.T, mount string) {
		in := func(name string) string { return filepath.Join(mount, name) }
		idle := open(t, info(mount, "events"), unix.O_RDONLY|unix.O_NONBLOCK)
		_, err := unix.Read(idle, make([]byte, 4096))
		requireError(t, "reading where nothing has happened", err, unix.EAGAIN)
		polled := []unix.PollFd{{Fd: int32(idle), Events: unix.POLLIN}}
		if ready, err := unix.Poll(polled, 0); ready != 0 || err != nil {
			t.Errorf("poll where nothing has happened: %d, %v", ready, err)
		}
		queue, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		must(t, err)
		defer unix.Close(queue)
		must(t, unix.EpollCtl(queue, unix.EPOLL_CTL_ADD, idle, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET}))

		blocking := open(t, info(mount, "events"), unix.O_RDONLY)
		interrupted(t, blocking)
		read := make(chan string, 1)
		go func() {
			into := make([]byte, 4096)
			n, err := unix.Read(blocking, into)
			for err == unix.EINTR {
				n, err = unix.Read(blocking, into)
			}
			read <- fmt.Sprintf("%s %v", into[:max(n, 0)], err)
		}()
		for round := range 3 {
			must(t, unix.Mkdir(in(fmt.Sprint("d", round)), 0o755))
			found := make([]unix.EpollEvent, 1)
			if ready, err := waitFor(queue, found); ready != 1 || err != nil {
				t.Errorf("epoll after an event: %d, %v", ready, err)
			}
			if ready, err := unix.Poll(polled, int(patience.Milliseconds())); ready != 1 || err != nil || polled[0].Revents&unix.POLLIN == 0 {
				t.Errorf("poll after an event: %d, %v", ready, err)
			}
			if got := parse(t, drain(t, idle)); len(got) != 1 || got[0].Object != fmt.Sprint("d", round) {
				t.Errorf("read after an event: %+v", got)
			}
		}
		select {
		case got := <-read:
			if !strings.Contains(got, `"object":"d0"`) || !strings.HasSuffix(got, " <nil>") {
				t.Errorf("a read that waited returned %s", got)
			}
		case <-time.After(patience):
			must(t, unix.Unmount(mount, unix.MNT_DETACH|unix.MNT_FORCE))
			t.Fatal("a read that waited does not return")
		}
		short := make([]byte, 10) // less than a line
		must(t, unix.Mkdir(in("cut"), 0o755))
		line := ""
		for !strings.HasSuffix(line, "\n") {
			n, err := unix.Read(idle, short)
			must(t, err)
			line += string(short[:n])
		}
		if got := parse(t, []byte(line)); len(got) != 1 || got[0].Object != "cut" {
			t.Errorf("a line in pieces: %q", line)
		}
	})
}

// waitFor is epoll_wait(2), which signals interrupt.
func waitFor(queue int, found []unix.EpollEvent) (int, error) {
	for {
		ready, err := unix.EpollWait(queue, found, int(patience.Milliseconds()))
		if err != unix.EINTR {
			return ready, err
		}
	}
}

// interrupted fails the test unless a signal ends a read that waits, with EINTR.
func interrupted(t *testing.T, descriptor int) {
	t.Helper()
	signals := make(chan os.Signal, 1000)
	signal.Notify(signals, unix.SIGUSR1)
	defer signal.Stop(signals)
	thread, outcome := make(chan int, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- unix.Gettid()
		_, err := unix.Read(descriptor, make([]byte, 4096))
		outcome <- err
	}()
	id := <-thread
	for ended := timeIn(patience); ; _, _ = unix.Poll(nil, 5) {
		must(t, unix.Tgkill(os.Getpid(), id, unix.SIGUSR1))
		select {
		case err := <-outcome:
			requireError(t, "a read that a signal interrupts", err, unix.EINTR)
			return
		default:
		}
		if ended() {
			t.Fatal("no signal interrupts a read")
		}
	}
}

// TestStoppedReader lets a reader miss events, and another who reads all the time none; what they are told adds up.
func TestStoppedReader(t *testing.T) {
	const pairs = 34_000 // and a reader has room for 65,536 events
	mount := places[0].mount(t)
	stopped := open(t, info(mount, "events"), unix.O_RDONLY|unix.O_NONBLOCK)
	lively := open(t, info(mount, "events"), unix.O_RDONLY|unix.O_NONBLOCK)
	before := values(t, text(t, mount, "stats"))
	var read []byte
	for i := range pairs {
		path := filepath.Join(mount, fmt.Sprint("n", i%10))
		must(t, unix.Mknod(path, unix.S_IFREG|0o600, 0))
		must(t, unix.Unlink(path))
		if i%1000 == 0 {
			read = append(read, drain(t, lively)...)
		}
	}
	read = append(read, drain(t, lively)...)
	if got := parse(t, read); len(got) != 2*pairs {
		t.Errorf("who reads all the time was told of %d events, want %d", len(got), 2*pairs)
	} else {
		requirePairs(t, got)
	}
	if dropped := values(t, text(t, mount, "stats"))["events-dropped"]; !slices.Equal(dropped, before["events-dropped"]) {
		t.Errorf("events-dropped is %q before anybody was told that he missed some", dropped)
	}
	late := parse(t, drain(t, stopped))
	if len(late) == 0 || late[0].Event != "dropped" {
		t.Fatalf("who was stopped is told %+v first", late[0])
	}
	missed := *late[0].Count
	if got := len(late) - 1 + int(missed); got != 2*pairs {
		t.Errorf("who was stopped is told of %d events and missed %d, together %d of %d", len(late)-1, missed, got, 2*pairs)
	}
	after := values(t, text(t, mount, "stats"))
	if after["events-dropped"][0] != itoa(missed) {
		t.Errorf("events-dropped is %q, want %d", after["events-dropped"], missed)
	}
	if metrics := text(t, mount, "metrics"); !strings.Contains(metrics, "shmfs_events_dropped_total "+itoa(missed)+"\n") && missed < 100_000 {
		t.Errorf("the metrics do not say that %d were dropped", missed)
	}
}

// requirePairs fails the test unless each name is created and then unlinked, in turn.
func requirePairs(t testing.TB, events []told) {
	t.Helper()
	there := map[string]bool{}
	for _, event := range events {
		if create := event.Event == "create"; create == there[event.Object] {
			t.Fatalf("%s of %s out of order", event.Event, event.Object)
		} else {
			there[event.Object] = create
		}
	}
}
