package main

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// announce is what a server sends first: the size of the file.
func announce(size uint64) []byte { return binary.NativeEndian.AppendUint64(nil, size) }

// requireTruncation waits for a client whose server ended early, and fails the test if the client has not noticed.
func requireTruncation(t *testing.T, client *process) {
	t.Helper()
	if err := client.wait(); err == nil {
		t.Error("the client took half a file for a whole one")
	}
	requireSaid(t, "client", strings.Join(client.said, "\n"), "before the end of the file")
}

func TestClientNoticesTruncatedFIFO(t *testing.T) {
	prepared := preparedPrograms(t)
	directory := t.TempDir()
	fifo := filepath.Join(directory, "fifo")
	client, err := startProcess(t.Context(), prepared.c("fifo", "client", fifo, filepath.Join(directory, "copy")), nil)
	if err != nil {
		t.Fatal(err)
	}
	<-client.ready
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(append(announce(100), "only these"...)); err != nil {
		t.Error(err)
	}
	if err := writer.Close(); err != nil {
		t.Error(err)
	}
	requireTruncation(t, client)
	if _, err := os.Lstat(fifo); !os.IsNotExist(err) {
		t.Errorf("the FIFO is still there: %v", err)
	}
}

func TestClientNoticesTruncatedSocket(t *testing.T) {
	prepared := preparedPrograms(t)
	directory := t.TempDir()
	path := filepath.Join(directory, "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := startProcess(t.Context(), prepared.c("socket", "client", path, filepath.Join(directory, "copy")), nil)
	if err != nil {
		t.Fatal(err)
	}
	connection, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Write(append(announce(100), "only these"...)); err != nil {
		t.Error(err)
	}
	if err := connection.Close(); err != nil {
		t.Error(err)
	}
	requireTruncation(t, client)
}

func TestPipeFailsWithoutSource(t *testing.T) {
	prepared := preparedPrograms(t)
	directory := t.TempDir()
	status, said := run(t, prepared.c("pipe", filepath.Join(directory, "missing"), filepath.Join(directory, "copy")))
	if status != exitFailed {
		t.Errorf("exit status %d", status)
	}
	requireSaid(t, "server", said, "No such file")
	requireSaid(t, "client", said, "before the end of the file")
}

func TestFIFOLeavesOtherFilesAlone(t *testing.T) {
	prepared := preparedPrograms(t)
	file := randomFile(t, 10)
	status, said := run(t, prepared.c("fifo", "server", file, file))
	if status != exitFailed {
		t.Errorf("exit status %d", status)
	}
	requireSaid(t, "server", said, "is no FIFO")
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// TestQueueTellsOfFailure checks that the client hears of the server's failure and removes the queue.
func TestQueueTellsOfFailure(t *testing.T) {
	prepared := preparedPrograms(t)
	queues := filepath.Join(t.TempDir(), "queues")
	if err := mountKernel("mqueue", queues, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unmount(queues); err != nil {
			t.Error(err)
		}
	}()
	name := "/" + filepath.Base(filepath.Dir(filepath.Dir(queues))) // the machine's queues are shared
	client, err := startProcess(t.Context(), prepared.c("mq", "client", name, filepath.Join(t.TempDir(), "copy")), nil)
	if err != nil {
		t.Fatal(err)
	}
	<-client.ready
	if _, err := os.Stat(filepath.Join(queues, name)); err != nil {
		t.Errorf("the client that is ready has made no queue: %v", err)
	}
	if status, said := run(t, prepared.c("mq", "server", t.TempDir(), name)); status != exitFailed {
		t.Errorf("reading a directory: exit status %d, said %q", status, said)
	}
	if err := client.wait(); err == nil {
		t.Error("the client did not fail")
	}
	requireSaid(t, "client", strings.Join(client.said, "\n"), "the server has failed")
	if _, err := os.Stat(filepath.Join(queues, name)); !os.IsNotExist(err) {
		t.Errorf("the queue is still there: %v", err)
	}
}
