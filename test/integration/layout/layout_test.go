// Package layout checks that the source keeps the shape it was given: which packages may import which, and what stands at the
// top level.
package layout

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"shmfs/test/integration/rig"
)

// allowed says which of our packages, and which of the libraries with a side to take, each package may import.
var allowed = map[string][]string{
	"shmfs/cmd/shmfs": {"shmfs/cmd/shmfs/top", "shmfs/fs", "shmfs/fs/keep", "shmfs/fs/pulse", "shmfs/fs/rights", "shmfs/fs/table",
		"shmfs/mmapcore/crashpoint"},
	"shmfs/cmd/shmfs/top": {"shmfs/fs/table"},
	"shmfs/fs": {"shmfs/fs/caller", "shmfs/fs/greed", "shmfs/fs/journal", "shmfs/fs/mappers", "shmfs/fs/meter", "shmfs/fs/pulse", "shmfs/fs/rights",
		"shmfs/fs/table", "shmfs/objects", "shmfs/semfs", "shmfs/mmapcore", "shmfs/mmapcore/crashpoint", "shmfs/mmapcore/record", "bazil.org/fuse"},
	"shmfs/fs/caller":  {},
	"shmfs/fs/greed":   {},
	"shmfs/fs/journal": {},
	"shmfs/fs/mappers": {},
	"shmfs/fs/keep":    {},
	"shmfs/fs/meter":   {},
	"shmfs/fs/pulse":   {},
	"shmfs/fs/rights":  {},
	"shmfs/fs/table":   {},
	"shmfs/objects":    {"shmfs/mmapcore", "shmfs/mmapcore/crashpoint", "shmfs/mmapcore/record"},
	"shmfs/semfs":      {"shmfs/mmapcore", "shmfs/mmapcore/crashpoint"},
	"shmfs/mmapcore":   {},

	"shmfs/mmapcore/crashpoint":        {},
	"shmfs/mmapcore/crashpoint/source": {},
	"shmfs/mmapcore/record":            {},
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range list(t) {
		may, ruled := allowed[p.ImportPath]
		if !ruled {
			continue
		}
		for _, imported := range p.Imports {
			sided := strings.HasPrefix(imported, "shmfs/") || strings.HasPrefix(imported, "bazil.org/")
			if sided && !slices.Contains(may, imported) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

func TestTopLevel(t *testing.T) {
	allowed := []string{"go.mod", "go.sum", "cmd", "fs", "objects", "mmapcore", "semfs", "test", "docs", "packaging", "bin",
		"Makefile", "README.md", "CHANGELOG.md", "LICENSE"}
	entries, err := os.ReadDir(rig.Root())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(allowed, name) {
			t.Errorf("%s does not belong at the top level", name)
		}
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []listed {
	t.Helper()
	command := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	command.Dir = rig.Root()
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listed
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) < len(allowed)-1 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	return packages
}
