//go:build crashpoints

package fs

import (
	"fmt"
	"slices"
	"strings"

	"shmfs/mmapcore/crashpoint"
	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// stayDead is where the goroutines of a process that has died stay, with all that they have locked.
func stayDead() { select {} }

// stopAt runs something that never returns from the visit of that number to a crash point, counted from 0. It returns the name of the
// point; false when there were fewer visits.
func stopAt(visit int, run func()) (point string, stopped bool) {
	stops, ended := make(chan string, 1), make(chan struct{})
	stop := crashpoint.Watch(func(name string) {
		if visit--; visit < 0 {
			stops <- name
			stayDead()
		}
	})
	defer stop()
	go func() {
		defer close(ended)
		run()
	}()
	select {
	case <-ended:
		return "", false
	case point = <-stops:
		return point, true
	}
}

// crash sends a request, at the visit of that number to a crash point of which the process dies; others die at each point of taking up what
// it has left, until one goes on, to which the kernel sends the request again if it has no answer. False when there were fewer visits.
func (m *mortal) crash(visit int, request message) (errno int32, body []byte, point string, died bool) {
	m.unique += 2
	request.unique = m.unique
	m.write(request)
	if point, died = stopAt(visit, func() { m.step() }); !died {
		errno, body = m.answerTo(request.unique)
		return errno, body, "", false
	}
	for recovery := 0; ; recovery++ {
		m.bury()
		if _, again := stopAt(recovery, m.begin); !again {
			break
		}
	}
	errno, body, sent := m.answered(request.unique)
	if sent {
		return errno, body, point, true
	}
	request.unique |= resent
	m.write(request)
	if !m.step() {
		m.t.Fatalf("opcode %d was not decoded", request.opcode)
	}
	errno, body = m.answerTo(request.unique)
	return errno, body, point, true
}

// answered reads the reply to a request if it was sent.
func (m *mortal) answered(unique uint64) (errno int32, body []byte, sent bool) {
	peeked := make([]byte, outHeaderSize)
	for {
		n, _, err := unix.Recvfrom(m.socket, peeked, unix.MSG_DONTWAIT|unix.MSG_PEEK)
		if err == unix.EAGAIN {
			return 0, nil, false
		}
		if err != nil || n < outHeaderSize {
			m.t.Fatalf("looking for a reply: %d bytes, %v", n, err)
		}
		if le.Uint64(peeked[8:]) == unique {
			errno, body = m.answerTo(unique)
			return errno, body, true
		}
		m.readReply(make([]byte, 2<<20))
	}
}

// crashWorld is what there is before a request.
type crashWorld struct {
	*mortal
	nodes   map[string]uint64 // by what they are called here
	handles map[string]uint64
}

func (w *crashWorld) must(what string, request message) []byte {
	w.t.Helper()
	errno, body := w.ask(request)
	if errno != 0 {
		w.t.Fatalf("%s: errno %d", what, -errno)
	}
	return body
}

func (w *crashWorld) make(name string, request message) {
	w.t.Helper()
	w.nodes[name] = w.learn(w.must(name, request))
}

func (w *crashWorld) makeFile(name string, text string) {
	w.t.Helper()
	body := w.must(name, message{opcode: opCreate, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o666|unix.S_IFREG, name)})
	w.nodes[name], w.handles[name] = w.learn(body), le.Uint64(body[entryOutSize:])
	if text != "" {
		w.must(name, message{opcode: opWrite, node: w.nodes[name], body: writeBody(w.handles[name], 0, []byte(text))})
	}
}

// command is the request that operates a semaphore.
func (w *crashWorld) command(text string) message {
	return message{opcode: opWrite, node: w.nodes["sem.a"], body: writeBody(w.handles["sem.a"], 0, []byte(text+"\n"))}
}

// valueOf is what a semaphore's memory begins with: the value, and who waits.
func (w *crashWorld) valueOf(node uint64) []byte {
	object, err := w.f.tree.Open(node, unix.O_RDONLY)
	if err != nil {
		return fmt.Append(nil, err)
	}
	defer object.Close()
	words := make([]byte, 8)
	n, _ := object.ReadAt(words, 0)
	return words[:n]
}

// picture describes what clients can see, but for times.
func (w *crashWorld) picture() string {
	labels := map[uint64]string{}
	for name, node := range w.nodes {
		labels[node] = name
	}
	var lines []string
	err := w.f.tree.Walk(func(found *objects.Found) error {
		line := found.Path + ": " + labels[found.Stat.Ino]
		if labels[found.Stat.Ino] == "" {
			line += "new"
		}
		if found.Stat.Mode&unix.S_IFMT == unix.S_IFREG {
			names, err := w.f.tree.Listxattr(found.Stat.Ino)
			if err == nil {
				line += fmt.Sprintf(" %d bytes in %d blocks %q", found.Stat.Size, found.Stat.Blocks, names)
			}
			if strings.HasPrefix(found.Path, "sem.") {
				line += fmt.Sprintf(" value %x", w.valueOf(found.Stat.Ino))
			}
		}
		lines = append(lines, fmt.Sprintf("%s %o %d", line, found.Stat.Mode, found.Stat.Nlink))
		return nil
	})
	if err != nil {
		w.t.Errorf("walking: %v", err)
	}
	w.wantCounted()
	w.f.tree.Nameless(func(stat *unix.Stat_t, charged int64) {
		lines = append(lines, fmt.Sprintf("nameless: %q %o", labels[stat.Ino], stat.Mode))
	})
	used, _, _ := w.f.tree.Charged()
	lines = append(lines, fmt.Sprintf("%d bytes, %d handles, %d openings", used, len(w.f.handles.all()), len(w.f.openings.byNode)))
	for _, user := range w.f.tree.Users() {
		lines = append(lines, fmt.Sprintf("user %+v", user))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// wantCounted demands that what is counted is what a walk finds, but for the memory, of which dead processes have some.
func (w *crashWorld) wantCounted() {
	counted, err := w.f.tree.Count()
	if err != nil {
		w.t.Errorf("counting: %v", err)
	}
	found, err := w.f.countByWalk()
	if err != nil {
		w.t.Errorf("counting by a walk: %v", err)
	}
	if counted.Resident = found.Resident; counted != found {
		w.t.Errorf("counted %+v, a walk finds %+v", counted, found)
	}
}

// finish closes, forgets and removes everything, and demands that nothing is left.
func (w *crashWorld) finish() {
	for _, handle := range w.f.handles.all() {
		opcode := uint32(opRelease)
		if handle.listing != nil {
			opcode = opReleasedir
		}
		w.must("releasing", message{opcode: opcode, node: handle.kernelNode, body: append(le.AppendUint64(nil, handle.id), make([]byte, 16)...)})
	}
	w.mu.Lock()
	var known []uint64
	for node := range w.refs {
		known = append(known, node)
	}
	w.mu.Unlock()
	for _, node := range known {
		w.unlearn(node)
	}
	w.empty(1)
	if rows := w.rows(); rows != "" {
		w.t.Errorf("there is left\n%s", rows)
	}
	if used, _, _ := w.f.tree.Charged(); used != 0 || w.f.tree.Known() != 1 {
		w.t.Errorf("%d bytes are charged, %d nodes known", used, w.f.tree.Known())
	}
	for _, user := range w.f.tree.Users() {
		if user.Held != (objects.Holding{}) {
			w.t.Errorf("there is charged %+v", user)
		}
	}
	if len(w.keeper.held) > 0 {
		w.t.Errorf("%d inodes are kept", len(w.keeper.held))
	}
}

// empty removes all names in a directory.
func (w *crashWorld) empty(directory uint64) {
	var found []string
	modes := map[string]uint32{}
	if err := w.f.tree.Walk(func(f *objects.Found) error {
		found = append(found, f.Path)
		modes[f.Path] = f.Stat.Mode
		return nil
	}); err != nil {
		w.t.Error(err)
	}
	for _, path := range slices.Backward(found) {
		parent, name := uint64(1), path
		if directory, below, in := strings.Cut(path, "/"); in {
			parent, name = w.learn(w.must("looking up", message{opcode: opLookup, node: 1, body: zeroEnded(directory)})), below
		}
		node := w.learn(w.must("looking up", message{opcode: opLookup, node: parent, body: zeroEnded(name)}))
		opcode := uint32(opUnlink)
		if modes[path]&unix.S_IFMT == unix.S_IFDIR {
			opcode = opRmdir
		}
		w.must("removing", message{opcode: opcode, node: parent, body: zeroEnded(name)})
		w.unlearn(node)
		if parent != 1 {
			w.unlearn(parent)
		}
	}
}

func zeroEnded(texts ...string) []byte { return append([]byte(strings.Join(texts, "\x00")), 0) }
