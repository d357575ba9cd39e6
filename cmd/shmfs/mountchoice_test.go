package main

import (
	"slices"
	"strings"
	"testing"
)

func TestWholeMounts(t *testing.T) {
	table := []mount{
		{id: 1, device: "0:1", point: "/", filesystem: "ext4", root: "/"},
		{id: 2, device: "0:2", point: "/part", filesystem: filesystemType, root: "/directory"},
		{id: 3, device: "0:2", point: "/covered", filesystem: filesystemType, root: "/"},
		{id: 4, device: "0:2", point: "/whole", filesystem: filesystemType, root: "/"},
		{id: 5, device: "0:2", point: "/again", filesystem: filesystemType, root: "/"},
		{id: 6, device: "0:3", point: "/other", filesystem: filesystemType, root: "/"},
		{id: 7, device: "0:4", point: "/foreign", filesystem: "fuse.other", root: "/"},
	}
	reachable := func(entry mount) bool { return entry.id != 3 }
	if got, want := wholeMounts(table, reachable), []string{"/whole", "/other"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestOnlyMount(t *testing.T) {
	for _, c := range []struct {
		points []string
		want   string
		code   int
		words  []string
	}{
		{[]string{"/a"}, "/a", exitOK, nil},
		{nil, "", exitNotMounted, []string{"shmfs mount"}},
		{[]string{"/a", "/b"}, "", exitUsage, []string{"/a, /b", "--mount", mountVariable}},
	} {
		got, err := onlyMount(c.points)
		if got != c.want || codeOf(err) != c.code {
			t.Errorf("of %q it chose %q, %v", c.points, got, err)
		}
		for _, word := range c.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("the error does not say %q: %v", word, err)
			}
		}
	}
}

// What is named is taken or refused, whatever else is mounted; the flag goes before the variable.
func TestChooseMountRefusesWhatIsNoMount(t *testing.T) {
	directory, other := t.TempDir(), t.TempDir()
	for _, c := range []struct{ flag, variable, named string }{
		{directory, "", directory}, {"", directory, directory}, {directory, other, directory},
	} {
		t.Setenv(mountVariable, c.variable)
		_, err := chooseMount(c.flag)
		if codeOf(err) != exitNotMounted || !strings.Contains(err.Error(), c.named) {
			t.Errorf("--mount %q, %s=%q: %v", c.flag, mountVariable, c.variable, err)
		}
	}
}
