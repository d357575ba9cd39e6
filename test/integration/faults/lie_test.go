package faults

import "golang.org/x/sys/unix"

// lie is something that a client does wrong, as a daemon would that executes a request twice or not at all. Empty: nothing.
type lie string

const (
	appendsTwice lie = "what is appended is appended twice"
	keepsNames   lie = "a name that was unlinked stays"
	postsTwice   lie = "a post counts twice"
	givesTwice   lie = "a shared unit is given back twice"
	recordsTwice lie = "a record in the shared journal is there twice"
)

var lies = []lie{appendsTwice, keepsNames, postsTwice, givesTwice, recordsTwice}

func (l lie) unlink(at int, path string) error {
	if l == keepsNames {
		return unix.Faccessat(at, path, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW)
	}
	return unix.Unlinkat(at, path, 0)
}

func (l lie) write(descriptor int, data []byte) (int, error) {
	if l == appendsTwice {
		_, _ = unix.Write(descriptor, data)
	}
	return unix.Write(descriptor, data)
}

func (l lie) record(descriptor int, data []byte) (int, error) {
	if l == recordsTwice {
		_, _ = unix.Write(descriptor, data)
	}
	return unix.Write(descriptor, data)
}

func (l lie) post(descriptor int, command string) error {
	if l == postsTwice {
		_, _ = unix.Write(descriptor, []byte(command))
	}
	_, err := unix.Write(descriptor, []byte(command))
	return err
}
