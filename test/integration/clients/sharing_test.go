package clients

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// The words of the shared object, as peer.c lays them out: offsets in bytes.
const (
	objectSize = 8192
	arrived    = 0
	counter    = 128
	lock       = 256
	guarded    = 384
	turn       = 512
	message    = 4096
)

// How often each peer adds to the counter and takes its turn in the ring: enough for peers to meet on two processors, and
// a few seconds in all.
const (
	additions = 200_000
	turns     = 200
)

// sharingTimeout bounds one run of all peers together.
const sharingTimeout = 2 * time.Minute

// places are the mounts on which sharing is tested; the plain tmpfs stands first, to show that the test itself is right.
var places = []struct {
	name  string
	mount func(*testing.T) string
}{
	{"tmpfs", func(t *testing.T) string { return rig.Tmpfs(t, "") }},
	{"passthrough strict", func(t *testing.T) string { return rig.Shmfs(t, "require-passthrough,commit=strict") }},
	{"passthrough lazy", func(t *testing.T) string { return rig.Shmfs(t, "require-passthrough,commit=lazy") }},
	{"cached strict", func(t *testing.T) string { return rig.Shmfs(t, "passthrough=off,commit=strict") }},
	{"cached lazy", func(t *testing.T) string { return rig.Shmfs(t, "passthrough=off,commit=lazy") }},
}

// TestLanguagesShareMemory runs one peer of every language on one object and checks what they did together.
func TestLanguagesShareMemory(t *testing.T) {
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			all := peers(t)
			directory := place.mount(t)
			share(t, directory, "object", all)
		})
	}
}

// TestSharingByTwoNames lets half of the peers come by one name and half by another: a hard link in a
// directory is the same memory.
func TestSharingByTwoNames(t *testing.T) {
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			all := peers(t)
			directory := place.mount(t)
			object := create(t, directory, "object")
			link := filepath.Join(directory, "directory", "link")
			if err := os.Mkdir(filepath.Dir(link), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(object, link); err != nil {
				t.Fatal(err)
			}
			runPeers(t, directory, all, func(i int) string { return []string{object, link}[i%2] })
			requireResult(t, link, all)
		})
	}
}

func share(t *testing.T, directory, name string, all []peer) {
	t.Helper()
	object := create(t, directory, name)
	runPeers(t, directory, all, func(int) string { return object })
	requireResult(t, object, all)
}

// create makes an object of zeros, as a client would that knows only open and ftruncate.
func create(t *testing.T, directory, name string) string {
	t.Helper()
	path := filepath.Join(directory, name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, objectSize); err != nil {
		t.Fatal(err)
	}
	return path
}

// runPeers starts all peers at once and waits for them.
func runPeers(t *testing.T, directory string, all []peer, object func(int) string) {
	t.Helper()
	var commands []*exec.Cmd
	for i, peer := range all {
		arguments := append([]string{object(i)}, numbers(i, len(all), additions, turns)...)
		commands = append(commands, peer.command(arguments...))
	}
	for i, ended := range rig.Run(t, directory, sharingTimeout, commands...) {
		if ended.Err != nil || ended.Stdout+ended.Stderr != "" {
			t.Errorf("the %s peer: %v\n%s%s", all[i].language, ended.Err, ended.Stdout, ended.Stderr)
		}
	}
}

// requireResult compares the object with what the peers must have made of it, however they interleaved.
func requireResult(t *testing.T, object string, all []peer) {
	t.Helper()
	memory, err := os.ReadFile(object)
	if err != nil {
		t.Fatal(err)
	}
	if len(memory) != objectSize {
		t.Fatalf("the object has %d bytes, want %d", len(memory), objectSize)
	}
	for _, want := range []struct {
		name   string
		offset int
		value  uint64
	}{
		{"peers that arrived", arrived, uint64(len(all))},
		{"sum of atomic additions", counter, uint64(len(all)) * additions},
		{"sum of additions under the lock", guarded, uint64(len(all)) * (additions / 100)},
		{"lock", lock, 0},
		{"turns taken", turn, uint64(len(all)) * turns},
		{"message passed in the ring", message, passedMessage(uint64(len(all)))},
	} {
		if value := binary.NativeEndian.Uint64(memory[want.offset:]); value != want.value {
			t.Errorf("%s: %d, want %d", want.name, value, want.value)
		}
	}
}

// passedMessage is the message after all turns: it comes out only if every peer saw its predecessor's last store.
func passedMessage(count uint64) uint64 {
	var value uint64
	for range turns {
		for index := range count {
			value = value*31 + index + 1
		}
	}
	return value
}
