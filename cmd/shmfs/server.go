package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"shmfs/fs"
)

// serveInForeground makes the mount and supervises it in this process until it ends.
func (c *mountCommand) serveInForeground(claimed *claim, options fs.Options) error {
	c.log.foreground = true
	s, err := c.newSupervisor(claimed.path)
	if err != nil {
		return err
	}
	s.ready = func() error {
		claimed.release()
		s.manager.tell(stateReady)
		return nil
	}
	if err := s.mount(options, c.metrics); err != nil {
		return err
	}
	return s.run()
}

// newSupervisor readies this process for supervising a mount that it is going to make.
func (c *mountCommand) newSupervisor(target string) (*supervisor, error) {
	log, err := c.log.open("supervisor")
	if err != nil {
		return nil, err
	}
	s, err := newSupervisor(target, &c.log, log)
	if err != nil {
		return nil, err
	}
	if s.path = c.program; s.path == "" {
		s.path = programPath()
	}
	s.catchSignals()
	prepareProcess(log)
	return s, nil
}

// deviceAt returns the device number of the topmost shmfs at a path, out of the mount table alone: this process may not
// touch its own mount.
func deviceAt(path string) string {
	mounts, err := mountTable()
	if err != nil {
		return ""
	}
	device := ""
	for _, entry := range mounts {
		if entry.point == path && entry.filesystem == filesystemType {
			device = entry.device
		}
	}
	return device
}

// abortConnection has the kernel answer all requests of a mount with errors from now on.
func abortConnection(device string) error {
	_, connection, found := strings.Cut(device, ":")
	if !found {
		return errors.New("it was not found in the mount table")
	}
	path := "/sys/fs/fuse/connections/" + connection + "/abort"
	if err := os.WriteFile(path, []byte("1"), 0); err != nil {
		return fmt.Errorf("aborting the connection: %w", err)
	}
	return nil
}
