package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shmfs/fs"
)

func TestCodeOf(t *testing.T) {
	busy := failure(exitBusy, "in use: %w", unix.EBUSY)
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("plain"), exitFailure},
		{busy, exitBusy},
		{fmt.Errorf("unmounting: %w", busy), exitBusy},
		{errors.Join(errors.New("first"), busy), exitBusy},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%v ends with %d, want %d", c.err, got, c.want)
		}
	}
	if !errors.Is(busy, unix.EBUSY) {
		t.Error("the code hides the error")
	}
}

// A number never changes its meaning, and each is told once.
func TestExitCodesAreFixed(t *testing.T) {
	for i, entry := range exitCodes {
		if entry.code != i || entry.meaning == "" {
			t.Errorf("entry %d is code %d, %q", i, entry.code, entry.meaning)
		}
	}
	if len(exitCodes) != exitBusy+1 {
		t.Errorf("%d codes are told of %d", len(exitCodes), exitBusy+1)
	}
}

func TestTopicTellsTheCodesOfRunning(t *testing.T) {
	text := newExitCodesTopic().Long
	for _, code := range []string{"  124 ", "  126 ", "  127 ", "  128+N "} {
		if !strings.Contains(text, "\n"+code) {
			t.Errorf("%s is not told:\n%s", code, text)
		}
	}
}

func TestUnmountFailureCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{unix.EBUSY, exitBusy},
		{fmt.Errorf("%w: fusermount3 says so", unix.EBUSY), exitBusy},
		{unix.EPERM, exitPermission},
		{unix.EACCES, exitPermission},
		{unix.EINVAL, exitNotMounted},
		{unix.EIO, exitFailure},
	} {
		if got := codeOf(unmountFailure("/mnt", c.err)); got != c.want {
			t.Errorf("%v ends with %d, want %d", c.err, got, c.want)
		}
	}
}

func TestMountFailureCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("mounting: %w", unix.EPERM), exitPermission},
		{errors.New("fusermount3: user has no write access to mountpoint /x"), exitPermission},
		{fmt.Errorf("%w: the kernel is too old", fs.ErrPassthroughUnavailable), exitPassthrough},
		{unix.ENODEV, exitFailure},
	} {
		if got := codeOf(mountFailure("/mnt", c.err)); got != c.want {
			t.Errorf("%v ends with %d, want %d", c.err, got, c.want)
		}
	}
}
