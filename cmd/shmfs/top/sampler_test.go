package top

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSamplerHasADeadline(t *testing.T) {
	started, answer := make(chan struct{}, 10), make(chan error)
	sampler := Sampler{read: func(Request) (*Sample, error) {
		started <- struct{}{}
		return &Sample{}, <-answer
	}}
	for range 3 {
		if _, err := sampler.Sample(Request{}, time.Millisecond); !errors.Is(err, errNoAnswer) {
			t.Fatal(err)
		}
	}
	<-started
	if len(started) > 0 {
		t.Error("it reads twice at once")
	}
	answer <- nil
	if sample, err := sampler.Sample(Request{}, time.Minute); err != nil || sample == nil || len(started) > 0 {
		t.Errorf("%v, %v, or it reads anew", sample, err)
	}
	go func() { answer <- unix.EIO }()
	if _, err := sampler.Sample(Request{}, time.Minute); !errors.Is(err, unix.EIO) {
		t.Error(err)
	}
}

// mountLike makes a directory that has what a mount has, and no more.
func mountLike(t *testing.T, files map[string]string) *collector {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &collector{directory: directory(root)}
}

func TestCollect(t *testing.T) {
	sample := fixture(t, "after", Request{Name: "sem.build", Cells: 10})
	frames := sample.object("frames")
	if frames == nil || frames.Size != 64<<20 || frames.Resident != 40<<20 || frames.Mappers != 2 || frames.Opens != 3 || frames.Inode != 5 ||
		frames.Links != 2 || frames.Mode != "0664" || !frames.Modified.Equal(time.Date(2026, 11, 23, 4, 31, 0, 5e8, time.UTC)) {
		t.Errorf("frames is %+v", frames)
	}
	if len(sample.Objects) != 10 || len(sample.Semaphores) != 3 || len(sample.Mappings) != 5 || len(sample.Openings) != 3 || !sample.HasMaps {
		t.Errorf("the sample is %+v", sample)
	}
	if mapping := sample.Mappings[3]; mapping.Length != 16<<20 || mapping.Offset != 48<<20 || mapping.Command != "consumer\nx" {
		t.Errorf("a mapping is %+v", mapping)
	}
	if detail := sample.Detail; detail == nil || detail.fact("policy") != "reset" || detail.fact("mapper") != "" || detail.Pages != nil || detail.Note != "" {
		t.Errorf("the detail is %+v", detail)
	}
}

func TestWhatIsMissingIsEmpty(t *testing.T) {
	c := mountLike(t, map[string]string{".shmfs/stats": "mode: cached\n"})
	sample, err := c.collect(Request{Name: "gone", Cells: 10})
	if err != nil || len(sample.Notes) > 0 || sample.HasMaps || sample.Stats["mode"] != "cached" || sample.Detail.Note == "" {
		t.Errorf("%+v, %v", sample, err)
	}
}

func TestWhatCannotBeReadIsNoted(t *testing.T) {
	c := mountLike(t, map[string]string{".shmfs/stats": "mode: cached\n", ".shmfs/objects": "NAME SIZE\nx\n", ".shmfs/maps/a-directory": "",
		".shmfs/semaphores": "NAME VALUE\nx 7\n"})
	sample, err := c.collect(Request{})
	if err != nil || len(sample.Notes) != 2 || !strings.Contains(sample.Notes[0], "objects") || !strings.Contains(sample.Notes[1], "maps") {
		t.Fatalf("%+v, %v", sample, err)
	}
	if len(sample.Semaphores) != 1 || sample.Semaphores[0].Value != "7" {
		t.Errorf("semaphores are %+v", sample.Semaphores)
	}
}

func TestMountThatGoes(t *testing.T) {
	c := mountLike(t, map[string]string{".shmfs/stats": "mode: cached\n"})
	if _, err := mountLike(t, nil).collect(Request{}); err == nil || errors.Is(err, ErrGone) || !strings.Contains(err.Error(), ".shmfs/stats") {
		t.Error(err)
	}
	if _, err := c.collect(Request{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(string(c.directory), ".shmfs/stats")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.collect(Request{}); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), string(c.directory)) {
		t.Error(err)
	}
}

func TestPagesOfAFile(t *testing.T) {
	c := mountLike(t, map[string]string{"plain": strings.Repeat("x", 3*os.Getpagesize()), "empty": ""})
	for name, want := range map[string]string{"plain": "###", "empty": ""} {
		pages, err := c.directory.pagesOf(name, 10)
		if err != nil || string(pages.Cells) != want {
			t.Errorf("%s: %+v, %v", name, pages, err)
		}
	}
	for _, name := range []string{"absent", "."} {
		if pages, err := c.directory.pagesOf(name, 10); err == nil {
			t.Errorf("%s: %+v", name, pages)
		}
	}
}

// No name leads out of the mount.
func TestLinksAreNotFollowed(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := mountLike(t, map[string]string{"inside": "x"})
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(string(c.directory), name)); err != nil {
			t.Fatal(err)
		}
	}
	link(outside, "link")
	link(filepath.Dir(outside), "dir")
	for _, name := range []string{"link", "dir/outside", "../x"} {
		if _, err := c.directory.pagesOf(name, 1); err == nil {
			t.Errorf("%s is looked at", name)
		}
	}
	var found unix.Stat_t
	if err := unix.Stat(outside, &found); err != nil {
		t.Fatal(err)
	}
	if err := c.directory.unlink("dir/outside", found.Ino); !errors.Is(err, unix.ELOOP) {
		t.Error(err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

func TestUnlink(t *testing.T) {
	c := mountLike(t, map[string]string{"dir/name": "x"})
	path := filepath.Join(string(c.directory), "dir/name")
	var found unix.Stat_t
	if err := unix.Stat(path, &found); err != nil {
		t.Fatal(err)
	}
	if err := c.directory.unlink("dir/name", found.Ino+1); err == nil || !strings.Contains(err.Error(), "another") {
		t.Error(err)
	}
	if err := c.directory.unlink("dir/name", found.Ino); err != nil {
		t.Error(err)
	}
	if err := c.directory.unlink("dir/name", found.Ino); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
}
