package caller

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// As runs f on a thread with an identity and returns its error, while the calling goroutine waits. f must open no more than it needs: what it has opened
// stays readable to whoever gets hold of it. A panic in f is one in As. Errors: EPERM when this process may not take on the
// identity, or when there is no such user in its user namespace; EINVAL for too many groups.
//
// It may be called concurrently, and costs about a dozen system calls.
func As(identity Identity, f func() error) error { return switcher{apply}.as(&identity, f) }

// switcher changes the credentials of the calling thread.
type switcher struct {
	apply func(credentials) error
}

func (s switcher) as(identity *Identity, f func() error) error {
	run := &run{err: errors.New("what was to be done with another identity ended its goroutine")}
	onThread(func() (reusable bool) { return s.run(identity, f, run) })
	if run.panicked != nil {
		panic(fmt.Sprintf("%v\n\n%s", run.panicked, run.stack))
	}
	return run.err
}

// run is how a function ended.
type run struct {
	err      error
	panicked any
	stack    []byte
}

// onThread runs f on a thread that does nothing else meanwhile, and that ends with it unless f says that it can be used again, or does
// not return. It is never the main thread, which cannot end.
func onThread(f func() (reusable bool)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			onThread(f) // on another, as this one is taken
			return
		}
		if f() {
			runtime.UnlockOSThread()
		}
	}()
	<-done
}

// run does its work on the calling thread. False when the thread is not what it was.
func (s switcher) run(identity *Identity, f func() error, run *run) (reusable bool) {
	own, err := current()
	if err != nil {
		run.err = err
		return true // nothing was changed
	}
	target, change, err := own.plan(identity)
	if err != nil {
		run.err = err
		return true
	}
	if change {
		if err := s.apply(target); err != nil {
			run.err = fmt.Errorf("taking on the identity of uid %d, gid %d: %w", identity.UID, identity.GID, refusal(err))
			return s.apply(own) == nil
		}
	}
	run.do(f)
	if !change {
		return true
	}
	if err := s.apply(own); err != nil {
		run.err = errors.Join(run.err, fmt.Errorf("giving up the identity of uid %d: %w", identity.UID, err))
		return false
	}
	return true
}

// refusal is EPERM where the kernel gives no error number of its own.
func refusal(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return err
	}
	return fmt.Errorf("%w: %w", err, unix.EPERM)
}

// do notes how f ended.
func (r *run) do(f func() error) {
	defer func() {
		if r.panicked = recover(); r.panicked != nil {
			r.stack = debug.Stack()
		}
	}()
	r.err = f()
}
