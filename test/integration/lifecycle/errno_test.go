package lifecycle_test

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isErrno reports whether an error came from the kernel with that number.
func isErrno(err error, want unix.Errno) bool {
	var got unix.Errno
	return errors.As(err, &got) && got == want
}
