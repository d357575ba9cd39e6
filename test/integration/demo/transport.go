package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// transport is one way from a server process to a client process.
type transport struct {
	name     string
	language string
	// route is the places a byte passes through; every arrow between two of them is one copy.
	route []string
	// commands returns the command lines; the second is started when the first has said that it is ready. There is no
	// second where the server starts its client itself.
	commands func(p programs, source, copy string) [][]string
	// inStore tells that the transport uses the store, so that the daemon has a part in it.
	inStore bool
}

// copies is how many times a byte is copied on its way from the page cache to the page cache.
func (t transport) copies() int { return len(t.route) - 1 }

var (
	sharedRoute = []string{"page cache", "shared memory", "page cache"}
	kernelRoute = []string{"page cache", "server's buffer", "kernel's buffer", "client's buffer", "page cache"}
)

// transports returns every transport; names of FIFOs and sockets are made in the directory.
func transports(directory string) []transport {
	object := filepath.Join(storeDirectory, "demo")
	fifo := filepath.Join(directory, "demo.fifo")
	socket := filepath.Join(directory, "demo.socket")
	queue := fmt.Sprintf("/demo-%d", os.Getpid())
	shared := func(language string, commands func(p programs, source, copy string) [][]string) transport {
		return transport{"shared memory", language, sharedRoute, commands, true}
	}
	through := func(name string, commands func(p programs, source, copy string) [][]string) transport {
		return transport{name, "C", kernelRoute, commands, false}
	}
	return []transport{
		shared("C", func(p programs, source, copy string) [][]string {
			return [][]string{p.c("client", object, copy), p.c("server", source, object)}
		}),
		shared("Python", func(p programs, source, copy string) [][]string {
			return [][]string{p.py("client", object, copy), p.py("server", source, object)}
		}),
		shared("C to Python", func(p programs, source, copy string) [][]string {
			return [][]string{p.py("client", object, copy), p.c("server", source, object)}
		}),
		shared("Python to C", func(p programs, source, copy string) [][]string {
			return [][]string{p.c("client", object, copy), p.py("server", source, object)}
		}),
		through("pipe", func(p programs, source, copy string) [][]string {
			return [][]string{p.c("pipe", source, copy)}
		}),
		through("FIFO", func(p programs, source, copy string) [][]string {
			return [][]string{p.c("fifo", "client", fifo, copy), p.c("fifo", "server", source, fifo)}
		}),
		through("message queue", func(p programs, source, copy string) [][]string {
			return [][]string{p.c("mq", "client", queue, copy), p.c("mq", "server", source, queue)}
		}),
		through("UNIX socket", func(p programs, source, copy string) [][]string {
			return [][]string{p.c("socket", "server", source, socket), p.c("socket", "client", socket, copy)}
		}),
	}
}

func (t transport) String() string { return fmt.Sprintf("%s (%s)", t.name, t.language) }
