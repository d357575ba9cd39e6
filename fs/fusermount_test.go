package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// fakeFusermount makes a script take the place of fusermount3.
func fakeFusermount(t *testing.T, script string) {
	t.Helper()
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, fusermount), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", directory+":"+os.Getenv("PATH"))
}

// senderVariable makes this test binary hand its standard input over as fusermount3 does the device, and end.
const senderVariable = "SHMFS_TEST_SEND_DEVICE"

func sendDevice() {
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(0), nil, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func TestFusermountFailures(t *testing.T) {
	for _, c := range []struct {
		name, script string
		want         string
	}{
		{"in its own words", "echo 'fusermount3: no more of them' >&2; exit 1", "no more of them"},
		{"on several lines", "printf 'fusermount3: one\\n\\nfusermount3: two\\n' >&2; exit 1", "one; two"},
		{"without words", "exit 3", "exit status 3"},
		{"with commonplace words", "echo 'fusermount3: failed to open /etc/fuse.conf: Permission denied' >&2; exit 1", "exit status 1"},
		{"without a device", "exit 0", unix.EPROTO.Error()},
		{"with something else than a device", "printf x >&3", unix.EPROTO.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			fakeFusermount(t, c.script)
			m := mounting{mountpoint: "/nowhere", options: DefaultOptions(), log: hclog.NewNullLogger()}
			_, _, err := m.mountByFusermount()
			if err == nil || !strings.HasSuffix(err.Error(), c.want) || !strings.Contains(err.Error(), "/nowhere through fusermount3") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestFusermountIsMissing(t *testing.T) {
	t.Setenv("PATH", "/nonexistent")
	m := mounting{mountpoint: "/nowhere", options: DefaultOptions(), log: hclog.NewNullLogger()}
	if _, _, err := m.mountByFusermount(); !errors.Is(err, os.ErrNotExist) && !strings.Contains(err.Error(), "not found") {
		t.Errorf("error is %v", err)
	}
}

// TestFusermountIsToldOptions checks the words and that a device which is none is given up with its mount.
func TestFusermountIsToldOptions(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	said := filepath.Join(t.TempDir(), "said")
	fakeFusermount(t, `printf '%s\n' "$*" >> `+said+`
if [ "$1" = -u ]; then exit 0; fi
exec env `+senderVariable+"=1 "+program+` </dev/null`)
	options := DefaultOptions()
	options.FSName, options.AllowOther, options.ReadOnly, options.NoExec = `a,\b`, true, true, true
	m := mounting{mountpoint: "/nowhere", options: options, log: hclog.NewNullLogger()}
	if _, _, err := m.mountByFusermount(); !errors.Is(err, unix.EPROTO) {
		t.Errorf("error is %v", err)
	}
	text, err := os.ReadFile(said)
	want := `-o fsname=a\,\\b,subtype=shmfs,default_permissions,allow_other,ro,noexec -- /nowhere` + "\n-u -z -- /nowhere\n"
	if err != nil || string(text) != want {
		t.Errorf("fusermount3 was told (%v)\n%s", err, text)
	}
}
