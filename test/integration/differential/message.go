package differential

import (
	"errors"

	"golang.org/x/sys/unix"
)

// request is one line to a worker, response one line back.
type request struct {
	Control   control
	Directory string `json:",omitempty"`
	Identity  int    `json:",omitempty"`
	Call      Call   `json:",omitzero"`
}

// control says what a worker is asked to do.
type control string

const (
	controlEnter   control = "enter"   // confine itself to the case's directory and become the identity
	controlLeave   control = "leave"   // drop everything held and become root outside again
	controlCall    control = "call"    // one call of the sequence
	controlHeld    control = "held"    // describe the descriptors and mappings held
	controlTree    control = "tree"    // describe the case's whole tree
	controlNames   control = "names"   // list the paths in the case's tree
	controlPrepare control = "prepare" // make the case's directory and its first tree
	controlRemove  control = "remove"  // remove the case's directory
	controlUsage   control = "usage"   // tell the mount's free blocks and inodes
)

type response struct {
	Outcome Outcome `json:",omitzero"`
	Before  []Sight `json:",omitempty"`
	After   []Sight `json:",omitempty"`
}

// Keys of facts whose values each side numbers in its own way.
const (
	identityFact = "identity" // an inode number
	processFact  = "process"  // a process id
)

func result(value int64, err error) Outcome {
	if err != nil {
		return failure(err)
	}
	return Outcome{Value: value}
}

func number(value int64, errno unix.Errno) Outcome {
	if errno != 0 {
		return failure(errno)
	}
	return Outcome{Value: value}
}

func failure(err error) Outcome { return Outcome{Errno: errnoName(err)} }

func errnoName(err error) string {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return errno.Error()
}
