package faults

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// partner posts a unit to a client's own semaphore after a while, from a thread of its own.
type partner struct {
	descriptor int // its own open file
	memory     *libc
	asked      chan asked
	posted     chan posted
}

// asked is what a partner is asked to do.
type asked struct {
	after    time.Duration
	byMemory bool
}

// posted is when a partner began to post, and how that went.
type posted struct {
	at  time.Duration
	err error
}

func (c *client) startPartner(path string) *partner {
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	c.want(err, 0, "the partner's open of %s", path)
	memory, err := mapSemaphore(descriptor)
	c.want(err, 0, "the partner's mmap of %s", path)
	p := &partner{descriptor, memory, make(chan asked), make(chan posted, 1)}
	go p.work()
	return p
}

func (p *partner) work() {
	runtime.LockOSThread()
	for one := range p.asked {
		time.Sleep(one.after)
		at := now()
		var err error
		if one.byMemory {
			err = p.memory.post()
		} else {
			_, err = unix.Write(p.descriptor, []byte("post\n"))
		}
		p.posted <- posted{at, err}
	}
	p.posted <- posted{}
}

// postSoon has the partner post in a random moment, in a random way.
func (c *client) postSoon() {
	c.semaphores.partner.asked <- asked{time.Duration(c.random.IntN(4000)) * time.Microsecond, c.chance(3)}
}

// hasPosted returns when the partner began to post, and ends the client if that has failed.
func (c *client) hasPosted() time.Duration {
	done := <-c.semaphores.partner.posted
	c.want(done.err, 0, "the partner's post")
	return done.at
}

// stop ends the partner's thread, and closes what it has.
func (p *partner) stop() error {
	close(p.asked)
	<-p.posted
	if err := p.memory.unmap(); err != nil {
		return err
	}
	return unix.Close(p.descriptor)
}
