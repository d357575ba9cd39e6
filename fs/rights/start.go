package rights

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Start starts a command that has no other capabilities than those kept, from its first instruction on and in all of its threads, nor gets
// any by what it executes. That this cannot be done (EPERM: root without CAP_SETPCAP) is told, not returned: the command is started all
// the same. By anybody but root it is Command.Start.
//
// The command must not ask for a signal when its parent dies: its parent is a thread that ends.
func Start(command *exec.Cmd, kept Set, tell func(error)) error {
	if !isRoot() {
		return command.Start()
	}
	var started, limited error
	onThread(func() {
		if limited = kept.limitThread(); limited == nil {
			started = command.Start()
		}
	})
	if limited == nil {
		return started
	}
	tell(fmt.Errorf("starting %s with fewer rights: %w", command.Path, limited))
	return command.Start()
}

// onThread runs f on a thread that ends with it. It is never the main thread, which cannot end. The runtime makes no thread out of one that
// a goroutine has to itself, so that no other becomes what this one is.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			onThread(f) // on another, as this one is taken
			return
		}
		f()
	}()
	<-done
}
