package main

import (
	"net"
	"sync"
)

// boundedListener lets in so many connections at a time as there are places, and has the others wait: each takes a descriptor, which the
// process that serves a mount needs for open files.
type boundedListener struct {
	net.Listener
	places chan struct{}
}

func newBoundedListener(listener net.Listener, most int) *boundedListener {
	return &boundedListener{listener, make(chan struct{}, most)}
}

// Accept waits for a place and then for a connection.
func (l *boundedListener) Accept() (net.Conn, error) {
	l.places <- struct{}{}
	connection, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placedConnection{Conn: connection, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// placedConnection gives its place back when it is closed.
type placedConnection struct {
	net.Conn
	leave func()
}

func (c *placedConnection) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
