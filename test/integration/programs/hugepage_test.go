package programs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// TestHugePages touches an object of 64 MiB and reads in smaps how it is mapped: by huge page-table entries under
// huge=within_size, and under huge=advise (which is shmfs's default) once the program asked with madvise.
func TestHugePages(t *testing.T) {
	const size = 64 << 20
	program := compile(t, "gcc", "hugepage.c")
	for _, kind := range []struct {
		name    string
		places  []place
		advise  bool
		minimum int
		maximum int
	}{
		{"within_size", hugePlaces("huge=within_size"), false, size * 9 / 10, size},
		{"always", hugePlaces("huge=always"), false, size * 9 / 10, size},
		{"advise and madvise", hugePlaces("huge=advise"), true, size * 9 / 10, size},
		{"default and madvise", []place{passthroughStrict, passthroughLazy}, true, size * 9 / 10, size},
		{"advise alone", hugePlaces("huge=advise"), false, 0, 0},
		{"never", hugePlaces("huge=never"), true, 0, 0},
	} {
		t.Run(kind.name, func(t *testing.T) {
			inEach(t, kind.places, func(t *testing.T, place place) {
				mapped := hugeBytes(t, place.mount(t), program, size, kind.advise)
				if mapped < kind.minimum || mapped > kind.maximum {
					t.Errorf("%d bytes are mapped by huge entries, want %d to %d", mapped, kind.minimum, kind.maximum)
				}
			})
		})
	}
}

// hugePlaces are those where the client maps the store's own pages: what the page-cache mode maps is never huge.
func hugePlaces(option string) []place {
	return []place{tmpfs.with(option), passthroughStrict.with(option), passthroughLazy.with(option)}
}

// hugeBytes lets the program touch a new object, and returns how much of it is mapped by huge entries.
func hugeBytes(t *testing.T, directory, program string, size int, advise bool) int {
	t.Helper()
	object := filepath.Join(directory, "object")
	arguments := []string{object, strconv.Itoa(size)}
	if advise {
		arguments = append(arguments, "advise")
	}
	output := rig.MustRun(t, directory, time.Minute, command(program, arguments...))
	kilobytes, err := strconv.Atoi(strings.TrimSpace(output))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(object); err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
