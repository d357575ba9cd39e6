package differential

import "strings"

// identity is whom a worker acts as.
type identity struct {
	user, group int
	groups      []int
}

// identities are the workers of a side, by number.
var identities = []identity{
	{user: 0, group: 0, groups: []int{0}},
	{user: 1000, group: 1000, groups: []int{1000}},
	{user: 1001, group: 1001, groups: []int{1001, 1000, 5000}},
	{user: 65534, group: 65534, groups: nil},
}

// The tree every case starts with; see prepareTree.
const (
	openDirectory   = "d0"    // mode 0777
	ownedDirectory  = "d1"    // mode 0755, owned by user 1000
	setgidDirectory = "d0/d2" // mode 2777, group 5000
	fileLink        = "l0"    // a symbolic link to f1
	directoryLink   = "l1"    // a symbolic link to d1
	loop            = "loop"  // a symbolic link to itself
)

var (
	plainNames  = []string{"f0", "f1", "f2", openDirectory, ownedDirectory, fileLink, directoryLink}
	directories = []string{openDirectory, ownedDirectory, setgidDirectory, directoryLink, "l1/d2", "d0/d1"}
	innerNames  = []string{"f0", "f1", "d1", "d2", "l0"}

	oddPaths = []string{
		".", "..", "d0/.", "d0/..", "d0/../f0", "./f1", "/f0", "/l1/f1", "f0/", "d0/", "l0/", "l1/", "f0/f1", loop, "loop/f0", "",
		"absent/f0", strings.Repeat("n", 255), strings.Repeat("n", 256), "d0/" + strings.Repeat("m", 255), "\n\xff\x01", "d1/\xc3(",
		strings.Repeat("d0/../", 600) + "f0", strings.Repeat("d0/../", 800) + "f0",
	}
)

// paths is what paths are drawn from. A path stands in it as often as its weight says; the simplest come first, because
// shrinking goes that way.
var paths = pathPool()

func pathPool() []Name {
	var pool []Name
	for range 12 {
		for _, name := range plainNames {
			pool = append(pool, Name(name))
		}
	}
	for range 3 {
		for _, directory := range directories {
			for _, name := range innerNames {
				pool = append(pool, Name(directory+"/"+name))
			}
		}
	}
	for _, path := range oddPaths {
		pool = append(pool, Name(path))
	}
	return pool
}

// directoryPaths is what is drawn where the call wants a directory.
var directoryPaths = []Name{".", openDirectory, ownedDirectory, setgidDirectory, directoryLink, ".", openDirectory, "..", "f0", "d0/d1", "absent"}
