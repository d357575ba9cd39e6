package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	chunk = 256 << 10 // of the example programs
	slots = 4
)

// TestProgramsCompile holds the C programs to more than the demonstration does: they are there to be copied from.
func TestProgramsCompile(t *testing.T) {
	preparedPrograms(t)
	strict := []string{"-std=c11", "-D_GNU_SOURCE", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wstrict-prototypes", "-O0"}
	sources, err := filepath.Glob(filepath.Join(examples(), "c", "*.c"))
	if err != nil || len(sources) != len(cPrograms) {
		t.Fatalf("C programs: %v (%v), but the demonstration knows %v", sources, err, cPrograms)
	}
	for _, name := range cPrograms {
		t.Run(name, func(t *testing.T) {
			source := filepath.Join(examples(), "c", name+".c")
			if err := compile(t.Context(), source, filepath.Join(t.TempDir(), name), strict...); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCopiesAreEqual runs every transport with sizes around the ends of chunks and of the ring.
func TestCopiesAreEqual(t *testing.T) {
	sizes := []int{0, 1, chunk, slots*chunk + 1, 12*chunk + 17}
	for _, place := range stores {
		t.Run(place.name, func(t *testing.T) {
			prepared := preparedPrograms(t)
			mounted := mountForTest(t, place.kind, place.options)
			for _, size := range sizes {
				copyAll(t, prepared, mounted, randomFile(t, size), place.kind == storeTmpfs)
			}
		})
	}
}

// copyAll copies the file by every transport; those that do not use the store only if everyTransport.
func copyAll(t *testing.T, prepared programs, mounted *store, source string, everyTransport bool) {
	t.Helper()
	want, size, err := checksum(source)
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	for _, transport := range transports(directory) {
		if !transport.inStore && !everyTransport {
			continue
		}
		one, err := transferFile(t.Context(), transport, prepared, source, directory, nil)
		if err != nil {
			t.Errorf("%d bytes: %v", size, err)
			continue
		}
		if one.bytes != size || one.sum != want {
			t.Errorf("%s: the copy of %d bytes has %d, and SHA-256 %x instead of %x", transport, size, one.bytes, one.sum, want)
		}
		requireEmpty(t, mounted)
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) > 0 {
		t.Errorf("left in the work directory: %v, %v", left, err)
	}
}

// TestWrongCallsAreRefused gives every program no arguments and too many.
func TestWrongCallsAreRefused(t *testing.T) {
	prepared := preparedPrograms(t)
	many := []string{"a", "b", "c", "d"}
	var calls [][]string
	for _, name := range cPrograms {
		calls = append(calls, prepared.c(name), prepared.c(name, many...))
	}
	for _, name := range []string{"server", "client"} {
		calls = append(calls, prepared.py(name), prepared.py(name, many...))
	}
	for _, call := range calls {
		status, said := run(t, call)
		if status != exitMisused || !strings.HasPrefix(said, "usage: ") {
			t.Errorf("%v: exit status %d, said %q", call, status, said)
		}
	}
}

// pair is a server and a client of the shared-memory copy in one language. The hasty ones have a patience of one second: they
// are for partners that never come, since a busy machine may take longer to start one that does.
type pair struct {
	language                 string
	server, client           func(arguments ...string) []string
	hastyServer, hastyClient func(arguments ...string) []string
}

// compiledHasty compiles the C pair, once for all tests, with a patience of one second.
var compiledHasty = sync.OnceValues(func() (programs, error) {
	directory, err := os.MkdirTemp("", "shmfs-examples-")
	if err != nil {
		return programs{}, err
	}
	atEnd = append(atEnd, directory)
	for _, name := range []string{"server", "client"} {
		source := filepath.Join(examples(), "c", name+".c")
		if err := compile(context.Background(), source, filepath.Join(directory, name), "-DPATIENCE=1"); err != nil {
			return programs{}, err
		}
	}
	return programs{compiled: directory}, nil
})

// pairs returns the programs of both languages.
func pairs(t *testing.T) []pair {
	t.Helper()
	prepared := preparedPrograms(t)
	hasty, err := compiledHasty()
	if err != nil {
		t.Fatal(err)
	}
	hastyPython := func(name string, arguments ...string) []string {
		return append([]string{"env", "PATIENCE=1"}, prepared.py(name, arguments...)...)
	}
	from := func(program func(string, ...string) []string, name string) func(...string) []string {
		return func(arguments ...string) []string { return program(name, arguments...) }
	}
	return []pair{
		{"C", from(prepared.c, "server"), from(prepared.c, "client"), from(hasty.c, "server"), from(hasty.c, "client")},
		{"Python", from(prepared.py, "server"), from(prepared.py, "client"), from(hastyPython, "server"), from(hastyPython, "client")},
	}
}

// together starts the client and, when it is ready, the server; it returns what they said, the client first.
func together(t *testing.T, p pair, source, object, copyPath string) [2]string {
	t.Helper()
	client, err := startProcess(t.Context(), p.client(object, copyPath), nil)
	if err != nil {
		t.Fatal(err)
	}
	<-client.ready
	server, err := startProcess(t.Context(), p.server(source, object), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range []*process{server, client} {
		err := process.wait()
		if status := process.command.ProcessState.ExitCode(); status != exitFailed {
			t.Errorf("exit status %d instead of 1: %v", status, err)
		}
	}
	return [2]string{strings.Join(client.said, "\n"), strings.Join(server.said, "\n")}
}

// requireSaid fails the test unless the text contains the words.
func requireSaid(t *testing.T, who, said, words string) {
	t.Helper()
	if !strings.Contains(said, words) {
		t.Errorf("the %s did not say %q, but:\n%s", who, words, said)
	}
}

// sharedFailures are the ways in which a copy through shared memory can go wrong. Each must leave the store empty.
var sharedFailures = map[string]func(t *testing.T, p pair, object string){
	"source is missing": func(t *testing.T, p pair, object string) {
		status, said := run(t, p.server(filepath.Join(t.TempDir(), "missing"), object))
		if status != exitFailed {
			t.Errorf("exit status %d", status)
		}
		requireSaid(t, "server", said, "No such file")
	},
	"source cannot be read": func(t *testing.T, p pair, object string) {
		said := together(t, p, t.TempDir(), object, filepath.Join(t.TempDir(), "copy"))
		requireSaid(t, "server", said[1], "Is a directory")
	},
	"copy cannot be written": func(t *testing.T, p pair, object string) {
		said := together(t, p, randomFile(t, 3*slots*chunk), object, "/dev/full")
		requireSaid(t, "client", said[0], "No space left")
		requireSaid(t, "server", said[1], "the client has failed")
	},
	"object exists": func(t *testing.T, p pair, object string) {
		if err := os.WriteFile(object, []byte("somebody's"), 0o600); err != nil {
			t.Fatal(err)
		}
		status, said := run(t, p.server(randomFile(t, 1), object))
		if status != exitFailed {
			t.Errorf("exit status %d", status)
		}
		requireSaid(t, "server", said, "File exists")
		if content, err := os.ReadFile(object); err != nil || string(content) != "somebody's" {
			t.Errorf("the object was touched: %q, %v", content, err)
		}
		if err := os.Remove(object); err != nil {
			t.Error(err)
		}
	},
	"no server": func(t *testing.T, p pair, object string) {
		status, said := run(t, p.hastyClient(object, filepath.Join(t.TempDir(), "copy")))
		if status != exitFailed {
			t.Errorf("exit status %d", status)
		}
		requireSaid(t, "client", said, "timed out")
	},
	"no client": func(t *testing.T, p pair, object string) {
		status, said := run(t, p.hastyServer(randomFile(t, 2*slots*chunk), object))
		if status != exitFailed {
			t.Errorf("exit status %d", status)
		}
		requireSaid(t, "server", said, "timed out")
	},
	"server is stopped": func(t *testing.T, p pair, object string) {
		server, err := startProcess(t.Context(), p.server(randomFile(t, 2*slots*chunk), object), nil)
		if err != nil {
			t.Fatal(err)
		}
		<-server.ready
		if err := server.command.Cancel(); err != nil {
			t.Error(err)
		}
		if err := server.wait(); err == nil {
			t.Error("it did not fail")
		}
		requireSaid(t, "server", strings.Join(server.said, "\n"), "stopped by a signal")
	},
	"server is killed": killedServer,
}

// killedServer leaves a client that must end by itself, and an object that the next server must refuse.
func killedServer(t *testing.T, p pair, object string) {
	source := randomFile(t, 2*slots*chunk)
	server, err := startProcess(t.Context(), p.server(source, object), nil)
	if err != nil {
		t.Fatal(err)
	}
	<-server.ready
	if err := server.command.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = server.wait()
	status, said := run(t, p.server(source, object))
	requireSaid(t, "server", said, "File exists")
	if status != exitFailed {
		t.Errorf("a second server ended with %d", status)
	}
	status, said = run(t, p.hastyClient(object, filepath.Join(t.TempDir(), "copy")))
	requireSaid(t, "client", said, "timed out")
	if status != exitFailed {
		t.Errorf("the client ended with %d", status)
	}
	left := []string{object}
	for _, suffix := range []string{"full", "empty"} {
		left = append(left, filepath.Join(storeDirectory, fmt.Sprintf("sem.%s.%s", filepath.Base(object), suffix)))
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
}

func TestSharedMemoryFailures(t *testing.T) {
	for _, place := range stores[:2] { // tmpfs and shmfs
		for name, try := range sharedFailures {
			t.Run(place.name+"/"+name, func(t *testing.T) {
				for _, p := range pairs(t) {
					t.Run(p.language, func(t *testing.T) {
						mounted := mountForTest(t, place.kind, place.options)
						try(t, p, filepath.Join(storeDirectory, "failing"))
						requireEmpty(t, mounted)
					})
				}
			})
		}
	}
}
