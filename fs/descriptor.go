package fs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// receiveDescriptor takes the one descriptor that a process sends over a Unix socket, with a byte of data. EPROTO when what
// comes is something else, the end of the connection included.
func receiveDescriptor(socket int) (int, error) {
	control := make([]byte, unix.CmsgSpace(4))
	n, err := receiveControl(socket, control)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(err, unix.EPROTO)
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) != 1 {
		return -1, errors.Join(err, unix.EPROTO)
	}
	return descriptors[0], nil
}

// receiveControl waits for a message and returns how many bytes of control data it brought.
func receiveControl(socket int, control []byte) (int, error) {
	for {
		_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			return n, err
		}
	}
}
