package fs

import (
	"runtime/debug"
	"strings"
)

// version is what the linker was told with -ldflags "-X shmfs/fs.version=…"; empty: what it recorded by itself.
var version string

// Build says which source this program was made of.
type Build struct {
	version  string
	commit   string
	modified bool
}

// BuildVersion reads what the Go linker recorded. A build outside a checkout has a version but no commit.
func BuildVersion() Build {
	found := Build{version: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return found
	}
	switch {
	case version != "":
		found.version = version
	case info.Main.Version != "":
		found.version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			found.commit = setting.Value
		case "vcs.modified":
			found.modified = setting.Value == "true"
		}
	}
	return found
}

// String returns the version and, where there is one, the commit.
func (b Build) String() string {
	words := []string{b.version}
	if b.commit != "" {
		words = append(words, "commit "+b.commit)
	}
	if b.modified {
		words = append(words, "modified")
	}
	return strings.Join(words, ", ")
}
