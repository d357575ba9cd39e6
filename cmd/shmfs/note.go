package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/fs"
)

// A mount whose processes are all gone tells nothing of itself any more. What there is to know then is in a note, a file in a directory that
// no reboot outlasts: where the objects were, since when it was mounted, and, by the file's time, until when somebody served it.
//
// The file is made before the mount, which may cover its path, and written by its descriptor from then on.

const (
	// noteInterval is the time between two signs of life.
	noteInterval = time.Minute

	// noteAge is how old the last sign of life of a mount is that shows none any more.
	noteAge = 3 * noteInterval

	// longestNote is far more bytes than any has; a path in JSON takes at most six for each of its own.
	longestNote = 8 * unix.PathMax
)

// noteDirectory is where the notes of a user's mounts are. Nobody but that user and root can write there.
func noteDirectory(user int) string {
	if user == 0 {
		return "/run/shmfs"
	}
	return fmt.Sprintf("/run/user/%d/shmfs", user)
}

// mountNote is what is written down of a mount.
type mountNote struct {
	Device  string // in the mount table
	Store   string // the directory that the objects are in; fs.StoreTmpfs: in memory
	Mounted time.Time

	seen time.Time // the last sign of life
	path string
}

// newNote makes an empty note, and takes away those of mounts that are no more.
func newNote() (*os.File, error) {
	directory := noteDirectory(os.Geteuid())
	if err := os.Mkdir(directory, 0o700); err != nil && !os.IsExist(err) {
		return nil, fmt.Errorf("making the directory of notes: %w", err)
	}
	sweepNotes(directory)
	file, err := os.CreateTemp(directory, "mount-")
	if err != nil {
		return nil, fmt.Errorf("making a note of the mount: %w", err)
	}
	return file, nil
}

// write fills a note that is empty.
func (n *mountNote) write(file *os.File) error {
	text, err := json.Marshal(n)
	if err == nil {
		_, err = file.Write(text)
	}
	if err != nil {
		return fmt.Errorf("writing a note of the mount: %w", err)
	}
	return nil
}

// signOfLife shows in a note that the mount is served.
func signOfLife(file *os.File) {
	_ = unix.Futimes(int(file.Fd()), nil) // the file itself was made here
}

// notesIn returns the notes in a directory that belong to a user. Others, and what is no note, are left out.
func notesIn(directory string, user int) []mountNote {
	paths, _ := filepath.Glob(directory + "/mount-*") // the pattern is a good one
	var all []mountNote
	for _, path := range paths {
		if found, err := readNote(path, user); err == nil {
			all = append(all, found)
		}
	}
	return all
}

func readNote(path string, user int) (mountNote, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return mountNote{}, err
	}
	defer file.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return mountNote{}, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || int(stat.Uid) != user {
		return mountNote{}, unix.EPERM
	}
	found := mountNote{seen: time.Unix(stat.Mtim.Unix()), path: path}
	err = json.NewDecoder(io.LimitReader(file, longestNote)).Decode(&found)
	return found, err
}

// noteOf returns the note of a mount whose processes are gone. ENOENT if there is none.
func noteOf(dead mount) (mountNote, error) {
	var latest mountNote
	for _, found := range notesIn(noteDirectory(dead.user()), dead.user()) {
		if found.Device == dead.device && found.seen.After(latest.seen) {
			latest = found
		}
	}
	if latest.path == "" {
		return latest, fmt.Errorf("finding the note of the mount: %w", unix.ENOENT)
	}
	return latest, nil
}

// sweepNotes removes the notes of mounts that show no sign of life and are nowhere to be seen.
func sweepNotes(directory string) {
	mounts, err := mountTable()
	if err != nil {
		return
	}
	mounted := make(map[string]bool)
	for _, entry := range mounts {
		mounted[entry.device] = true
	}
	for _, found := range notesIn(directory, os.Geteuid()) {
		if !mounted[found.Device] && time.Since(found.seen) > noteAge {
			_ = os.Remove(found.path)
		}
	}
}

// loss says what is lost with a mount whose processes are gone. Of an empty note it says what holds for all.
func (n *mountNote) loss() string {
	const always = "open files and locks are lost, and what programs have mapped has no name any more"
	if n.Device == "" {
		return "objects in memory are lost, those in a directory store are still there; " + always
	}
	alive := fmt.Sprintf("it was mounted at %s and last seen alive at %s", timeText(n.Mounted), timeText(n.seen))
	if n.Store == fs.StoreTmpfs {
		return alive + "; all its objects were in memory and are lost; " + always
	}
	return fmt.Sprintf("%s; its objects are still in %q; %s", alive, n.Store, always)
}

func timeText(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
