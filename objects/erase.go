package objects

import (
	"errors"
	"fmt"
	"path/filepath"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// Link is one name of a node: in which directory it stands, and as what.
type Link struct {
	Parent uint64 // the directory's node id; it need not be known
	Name   string
}

// Erase removes every name of a file that is no directory (EISDIR), and returns those it removed, along with an error too. ENOENT is
// none: then there was no name, or the store does not lead to those that are left. Of two files that change places at this very moment
// it may be the other that loses its name. EBUSY when somebody moves it without pause.
func (t *Tree) Erase(id uint64) ([]Link, error) {
	var erased []Link
	for misses := 0; misses < mostMisses; {
		path, err := t.Path(id)
		if errors.Is(err, unix.ENOENT) || len(erased) > 0 && errors.Is(err, unix.ESTALE) {
			return erased, nil // the node goes with its last name if nobody refers to it
		}
		if err != nil {
			return erased, fmt.Errorf("erasing node %d: %w", id, err)
		}
		parent, name := filepath.Split(path)
		link, err := t.eraseIn(parent, name)
		if err != nil && !errors.Is(err, unix.ENOENT) { // else somebody else was faster
			return erased, fmt.Errorf("erasing node %d: %w", id, err)
		}
		if err != nil {
			misses++
			continue
		}
		erased = append(erased, link)
		crashpoint.Here("objects: one of the names to be erased is gone")
	}
	return erased, fmt.Errorf("erasing node %d: it moved %d times meanwhile: %w", id, mostMisses, unix.EBUSY)
}

const mostMisses = 100

// eraseIn removes a name in a directory, given by its path from the store's root.
func (t *Tree) eraseIn(parent, name string) (Link, error) {
	directory, err := unix.Openat2(t.store.Root(), filepath.Clean(parent), &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return Link{}, fmt.Errorf("opening the directory of %q: %w", name, err)
	}
	defer unix.Close(directory)
	var stat unix.Stat_t
	if err := unix.Fstat(directory, &stat); err != nil {
		return Link{}, fmt.Errorf("reading the directory of %q: %w", name, err)
	}
	link := Link{Parent: t.nodeID(stat.Ino), Name: name}
	return link, t.removeIn(place{link.Parent, directory, name}, 0)
}
