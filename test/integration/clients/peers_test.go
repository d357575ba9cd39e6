package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// compileTimeout bounds one compiler's run, on a machine that does other work besides.
const compileTimeout = 3 * time.Minute

// peer starts the client of one language; the arguments that all peers take follow its own.
type peer struct {
	language    string
	program     string
	arguments   []string
	environment []string
}

func (p peer) command(arguments ...string) *exec.Cmd {
	command := exec.Command(p.program, append(append([]string{}, p.arguments...), arguments...)...)
	command.Env = append(os.Environ(), p.environment...)
	return command
}

var compiled struct {
	once      sync.Once
	directory string
	peers     []peer
}

func TestMain(m *testing.M) {
	code := rig.RunPrivately(m)
	if compiled.directory != "" {
		if err := os.RemoveAll(compiled.directory); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// peers returns the clients of all languages, compiling them at first use.
func peers(t *testing.T) []peer {
	t.Helper()
	compiled.once.Do(func() {
		directory, err := os.MkdirTemp("", "shmfs-clients-")
		if err != nil {
			t.Fatal(err)
		}
		compiled.directory = directory
		compiled.peers = []peer{
			compileC(t, directory),
			{language: "Python", program: rig.Program(t, "python3"), arguments: []string{source(t, "peer.py")}},
			compileGo(t, directory),
			compileNode(t, directory),
			compileJava(t, directory),
		}
	})
	if compiled.peers == nil {
		t.Fatal("the peers did not compile: see the first test's failure")
	}
	return compiled.peers
}

func compileC(t *testing.T, directory string) peer {
	t.Helper()
	program := filepath.Join(directory, "peer-c")
	compile(t, rig.Program(t, "gcc"), "-O2", "-Wall", "-o", program, source(t, "peer.c"))
	return peer{language: "C", program: program}
}

func compileGo(t *testing.T, directory string) peer {
	t.Helper()
	program := filepath.Join(directory, "peer-go")
	compile(t, "go", "build", "-o", program, source(t, "peer.go"))
	return peer{language: "Go", program: program}
}

func compileNode(t *testing.T, directory string) peer {
	t.Helper()
	node := rig.Program(t, "node")
	addon := filepath.Join(directory, "memory.node")
	compile(t, rig.Program(t, "gcc"), "-O2", "-Wall", "-shared", "-fPIC", "-isystem", nodeHeaders(t, node),
		"-o", addon, source(t, "memory.c"))
	return peer{
		language: "JavaScript", program: node, arguments: []string{source(t, "peer.js")},
		environment: []string{"MEMORY_ADDON=" + addon},
	}
}

// nodeHeaders returns the directory of node_api.h: beside the node program, or where distributions put it.
func nodeHeaders(t *testing.T, node string) string {
	t.Helper()
	program := rig.MustRun(t, "", compileTimeout, exec.Command(node, "-e", "process.stdout.write(process.execPath)"))
	beside := filepath.Join(filepath.Dir(program), "..", "include", "node")
	for _, directory := range []string{beside, "/usr/include/nodejs/src"} {
		if _, err := os.Stat(filepath.Join(directory, "node_api.h")); err == nil {
			return directory
		}
	}
	return filepath.Dir(rig.Program(t, "/usr/include/node/node_api.h"))
}

func compileJava(t *testing.T, directory string) peer {
	t.Helper()
	compile(t, rig.Program(t, "javac"), "-d", directory, source(t, "Peer.java"))
	return peer{
		language: "Java", program: rig.Program(t, "java"),
		// One class and a short run: neither a second compiler nor collector threads are worth their start.
		arguments: []string{"-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData", "-cp", directory, "Peer"},
	}
}

func compile(t *testing.T, program string, arguments ...string) {
	t.Helper()
	rig.MustRun(t, "", compileTimeout, exec.Command(program, arguments...))
}

// source returns the absolute path of a file in testdata.
func source(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// numbers formats the arguments that all peers take.
func numbers(values ...int) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = strconv.Itoa(value)
	}
	return texts
}
