package fs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"shmfs/fs/mappers"

	"golang.org/x/sys/unix"
)

// creatorLines are the lines of an object's text that tell who created it.
func (m *mortal) creatorLines(node uint64) string {
	m.t.Helper()
	text, err := m.f.objectText(node, asker{})
	if err != nil {
		m.t.Errorf("the text of node %d: %v", node, err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "creator-") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// linesOf is what creatorLines has of what a process created.
func linesOf(process uint32) string {
	_, command := mappers.Command(int(process))
	return fmt.Sprintf("creator-pid: %d\ncreator-command: %s\ncreator-cgroup: %s\n", process, command, cgroupOf(int(process)))
}

const nobodysLines = "creator-pid: -\ncreator-command: -\ncreator-cgroup: -\n"

// makingOf are the requests that make something, which is called made.
func makingOf(process uint32) map[string]message {
	making := map[string]message{
		"CREATE":  {opcode: opCreate, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o666|unix.S_IFREG, "made")},
		"MKDIR":   {opcode: opMkdir, body: append(words(0o755, 0), "made\x00"...)},
		"MKNOD":   {opcode: opMknod, body: append(words(unix.S_IFIFO|0o600, 0, 0, 0), "made\x00"...)},
		"SYMLINK": {opcode: opSymlink, body: []byte("made\x00target\x00")},
	}
	for name, request := range making {
		request.node, request.pid = 1, process
		making[name] = request
	}
	return making
}

// Who created what is known after deaths, also of what the kernel has forgotten, and when its creator has ended.
func TestCreatorsOutliveTheProcess(t *testing.T) {
	me := uint32(os.Getpid())
	for name, request := range makingOf(me) {
		t.Run(name, func(t *testing.T) {
			m := newMortal(t)
			defer m.end()
			var other uint32
			var others, nobodys, mine uint64
			othersLines := ""
			t.Run("another process", func(t *testing.T) { // which ends with it
				other = idle(t, byUser(ann, ann))
				othersLines = linesOf(other)
				others = le.Uint64(m.must(message{opcode: opMkdir, node: 1, pid: other, body: append(words(0o755, 0), "others\x00"...)}))
			})
			nobodys = le.Uint64(m.must(message{opcode: opMkdir, node: 1, body: append(words(0o755, 0), "nobodys\x00"...)}))
			mine = m.learn(m.must(request))
			if name == "CREATE" {
				m.release(mine, m.f.handles.all()[0].id)
			}
			m.unlearn(mine)
			for range 3 {
				for node, want := range map[uint64]string{mine: linesOf(me), others: othersLines, nobodys: nobodysLines} {
					if lines := m.creatorLines(node); lines != want {
						t.Errorf("node %d:\n%swant\n%s", node, lines, want)
					}
				}
				m.dieAndGoOn()
			}
		})
	}
}

// A semaphore was created by who gave it its value.
func TestCreatorOfASemaphoreOutlivesTheProcess(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	me := uint32(os.Getpid())
	body := m.must(message{opcode: opCreate, node: 1, pid: me, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o666|unix.S_IFREG, "sem.made")})
	node, handle := m.learn(body), le.Uint64(body[entryOutSize:])
	m.dieAndGoOn()
	m.must(message{opcode: opWrite, node: node, pid: me, body: writeBody(handle, 0, []byte("3\n"))})
	for range 3 {
		if lines := m.creatorLines(node); lines != linesOf(me) {
			t.Errorf("the semaphore:\n%swant\n%s", lines, linesOf(me))
		}
		m.dieAndGoOn()
	}
}
