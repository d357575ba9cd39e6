package main

import (
	"errors"
	"os"
	"time"

	"shmfs/fs"
)

// makeNote makes the note of a mount that is about to be made. Without one less will be known of it should all its processes die.
func (s *supervisor) makeNote() {
	var err error
	if s.note, err = newNote(); err != nil {
		s.log.Debug("no note of the mount", "error", err)
	}
}

func (s *supervisor) fillNote(options fs.Options) {
	if s.note == nil {
		return
	}
	made := mountNote{Device: s.device, Store: options.Store, Mounted: time.Now()}
	err := made.write(s.note)
	if s.device == "" {
		err = errors.New("the mount is not in the mount table")
	}
	if err != nil {
		s.log.Debug("no note of the mount", "error", err)
		s.removeNote()
	}
}

// showLife shows in the note, now and again and again, that the mount is served.
func (s *supervisor) showLife() {
	if s.note != nil {
		signOfLife(s.note)
		s.after(noteInterval, s.showLife)
	}
}

func (s *supervisor) removeNote() {
	if s.note != nil {
		removeNote(s.note)
		s.note = nil
	}
}

func removeNote(file *os.File) {
	_ = os.Remove(file.Name()) // fails when somebody has removed it
	_ = file.Close()
}
