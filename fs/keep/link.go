package keep

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Link is one end of the connection between two processes. Send may be called concurrently; Receive by one goroutine at a time.
type Link struct {
	conn   *net.UnixConn
	raw    syscall.RawConn
	buffer []byte // of who receives
	rights []byte // of who receives
}

// Pair makes a connection: the link at one end, and the other as a file, for another process.
func Pair() (*Link, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "link")
	ours := os.NewFile(uintptr(pair[0]), "link")
	defer ours.Close() // Open takes a copy
	link, err := Open(ours)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return link, theirs, nil
}

// Open makes a link of a socket, of which it takes a copy. ENOTSOCK, or another errno, if it is none of Pair's.
func Open(socket *os.File) (*Link, error) {
	conn, err := net.FileConn(socket)
	if err != nil {
		return nil, fmt.Errorf("taking over a socket: %w", err)
	}
	of, ok := conn.(*net.UnixConn)
	if !ok || of.LocalAddr().Network() != "unixpacket" {
		return nil, errors.Join(fmt.Errorf("taking over a socket: it is of another kind: %w", unix.ENOTSOCK), conn.Close())
	}
	raw, err := of.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	// One byte more than any message has, so that a longer one shows.
	return &Link{conn: of, raw: raw, buffer: make([]byte, messageSize+1), rights: make([]byte, unix.CmsgSpace(4*MostFiles))}, nil
}

// Send hands a message over whole or not at all. It waits while the other end does not read. When that is gone the error is one that
// Gone knows.
func (l *Link) Send(m Message) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	var rights []byte
	if len(m.Files) > 0 {
		rights = unix.UnixRights(m.Files...)
	}
	if _, _, err := l.conn.WriteMsgUnix(data, rights, nil); err != nil {
		return fmt.Errorf("sending to the other process: %w", err)
	}
	return nil
}

// Gone says whether an error of Send means that nobody is at the other end, or that this one is closed.
func Gone(err error) bool {
	return errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// Receive waits for a message. io.EOF when the other end is gone and all that it sent is received; os.ErrDeadlineExceeded after Stop;
// EMFILE when this process may open no more files: then the message came without some of its descriptors, and the next can be
// received. EPROTO for what nobody here sends.
func (l *Link) Receive() (m Message, err error) {
	waited := l.raw.Read(func(socket uintptr) bool {
		m, err = l.take(int(socket))
		return !errors.Is(err, unix.EAGAIN)
	})
	if waited != nil {
		return Message{}, waited
	}
	return m, err
}

// Stop makes Receive return what it has, and fail from then on.
func (l *Link) Stop() {
	_ = l.conn.SetReadDeadline(time.Unix(1, 0)) // fails when the link is closed, which stops it too
}

// Rest returns a message that is here already: EAGAIN when none is, and otherwise the errors of Receive. Receive must not be waiting.
func (l *Link) Rest() (m Message, err error) {
	failed := l.raw.Control(func(socket uintptr) { m, err = l.take(int(socket)) })
	if failed != nil {
		return Message{}, failed
	}
	return m, err
}

// take takes the next message from a socket.
func (l *Link) take(socket int) (Message, error) {
	n, rights, flags, err := l.receive(socket)
	if err != nil {
		return Message{}, err
	}
	files, err := descriptorsIn(l.rights[:rights])
	if err == nil && n == 0 && len(files) == 0 {
		return Message{}, io.EOF
	}
	var m Message
	var sent int
	if err == nil {
		m, sent, err = decode(l.buffer[:n])
	}
	m.Files = files
	switch {
	case err != nil:
		m.Close()
		return Message{}, err
	case len(files) < sent || flags&unix.MSG_CTRUNC != 0:
		m.Close()
		return m, fmt.Errorf("taking %d descriptors that another process sent: %w", sent, unix.EMFILE)
	}
	return m, nil
}

func (l *Link) receive(socket int) (n, rights, flags int, err error) {
	for {
		n, rights, flags, _, err = unix.Recvmsg(socket, l.buffer, l.rights, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		switch err {
		case unix.EINTR:
		case unix.ECONNRESET: // told once, when the other end left unread what this one sent; what that one sent comes after
		case nil:
			return n, rights, flags, nil
		default:
			return 0, 0, 0, fmt.Errorf("receiving from the other process: %w", err)
		}
	}
}

// descriptorsIn returns all descriptors that came with a message.
func descriptorsIn(rights []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("reading what came with a message: %w: %w", err, unix.EPROTO)
	}
	var all []int
	for i := range messages {
		files, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return all, fmt.Errorf("reading what came with a message: %w: %w", err, unix.EPROTO)
		}
		all = append(all, files...)
	}
	return all, nil
}

// Close ends the connection. What was sent before still arrives.
func (l *Link) Close() error { return l.conn.Close() }
