package differential

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// prepareTree makes the directory of a case, and in it the tree that every case starts with.
func prepareTree(directory string) error {
	steps := []struct {
		path        string
		kind        uint32
		mode        uint32
		user, group int
		content     int    // bytes
		target      string // of a symbolic link
	}{
		{path: "", kind: unix.S_IFDIR, mode: 0o1777},
		{path: openDirectory, kind: unix.S_IFDIR, mode: 0o777},
		{path: ownedDirectory, kind: unix.S_IFDIR, mode: 0o755, user: 1000, group: 1000},
		{path: setgidDirectory, kind: unix.S_IFDIR, mode: 0o2777, group: 5000},
		{path: "f0", kind: unix.S_IFREG, mode: 0o666, content: 10000},
		{path: "f1", kind: unix.S_IFREG, mode: 0o644, user: 1000, group: 1000, content: 4096},
		{path: "d0/f0", kind: unix.S_IFREG, mode: 0o664, user: 1001, group: 1000},
		{path: fileLink, kind: unix.S_IFLNK, target: "f1"},
		{path: directoryLink, kind: unix.S_IFLNK, target: "d1"},
		{path: loop, kind: unix.S_IFLNK, target: loop},
	}
	for _, step := range steps {
		path := filepath.Join(directory, step.path)
		var err error
		switch step.kind {
		case unix.S_IFDIR:
			err = os.Mkdir(path, 0o700)
		case unix.S_IFLNK:
			err = os.Symlink(step.target, path)
		default:
			err = os.WriteFile(path, pattern(Call{Length: int64(step.content), Fill: 7}), 0o600)
		}
		if err != nil {
			return fmt.Errorf("preparing a case: %w", err)
		}
		if err := os.Lchown(path, step.user, step.group); err != nil {
			return fmt.Errorf("preparing a case: %w", err)
		}
		if step.kind == unix.S_IFLNK {
			continue
		}
		if err := unix.Chmod(path, step.mode); err != nil {
			return fmt.Errorf("preparing a case: setting the mode of %s: %w", path, err)
		}
	}
	return nil
}

// tree describes everything below the root directory, of a worker that is confined to a case's directory.
func tree() response {
	var all response
	describe(&all, "/")
	return all
}

func describe(all *response, path string) {
	label := strconv.QuoteToASCII(path)
	sight := see(label, unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
	all.After = append(all.After, sight)
	note := func(key, value string) { all.Outcome.Facts = append(all.Outcome.Facts, Fact{label + " " + key, value}) }
	note("extended attributes", attributesOf(path))
	switch sight.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		note("content", contentOf(path))
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		note("target", fmt.Sprintf("%q %v", target, err != nil))
	case unix.S_IFDIR:
		entries, err := entriesOf(path)
		note("listing", err)
		for _, each := range entries {
			describe(all, filepath.Join(path, each.name))
		}
	}
}

const regularKey = "regular"

// namesBelow lists the paths below a directory, quoted, with keys that tell regular files.
func namesBelow(directory string) []Fact {
	var all []Fact
	entries, _ := entriesOf(directory)
	for _, each := range entries {
		path := filepath.Join(directory, each.name)
		key := "other"
		if each.kind == unix.DT_REG {
			key = regularKey
		}
		all = append(all, Fact{key, strconv.QuoteToASCII(path[1:])})
		if each.kind == unix.DT_DIR {
			all = append(all, namesBelow(path)...)
		}
	}
	return all
}

// entriesOf lists a directory without its dot entries, in the order of names; problem is the errno's name, or empty.
func entriesOf(path string) (entries []entry, problem string) {
	directory, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|openAlways|unix.O_NOATIME, 0)
	if err != nil {
		return nil, errnoName(err)
	}
	defer func() { _ = unix.Close(directory) }()
	entries, err = readDirectory(directory, 32768)
	if err != nil {
		return nil, errnoName(err)
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return e.name == "." || e.name == ".." })
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries, ""
}

func contentOf(path string) string {
	file, err := unix.Open(path, unix.O_RDONLY|openAlways|unix.O_NOATIME, 0)
	if err != nil {
		return errnoName(err)
	}
	defer func() { _ = unix.Close(file) }()
	var content []byte
	buffer := make([]byte, 128<<10)
	for {
		n, err := unix.Read(file, buffer)
		if err != nil {
			return errnoName(err)
		}
		if n == 0 {
			return digest(content)
		}
		content = append(content, buffer[:n]...)
	}
}

func attributesOf(path string) string {
	names := make([]byte, 70000)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return errnoName(err)
	}
	var texts []string
	for _, name := range strings.Split(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 70000)
		length, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			texts = append(texts, fmt.Sprintf("%v: %s", Name(name), errnoName(err)))
			continue
		}
		texts = append(texts, fmt.Sprintf("%v: %s", Name(name), digest(value[:length])))
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}
