package differential

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const deviceFact = "device" // minor number of the mount's device

// usage tells the free blocks and inodes of the mount that the directory stands on, and which mount that is.
func usage(directory string) Outcome {
	var stat unix.Statfs_t
	if err := unix.Statfs(directory, &stat); err != nil {
		return failure(err)
	}
	var status unix.Stat_t
	if err := unix.Stat(directory, &status); err != nil {
		return failure(err)
	}
	return Outcome{Facts: []Fact{
		{"free blocks", fmt.Sprint(stat.Bfree)}, {"free inodes", fmt.Sprint(stat.Ffree)}, {deviceFact, fmt.Sprint(unix.Minor(status.Dev))},
	}}
}

// What the last close gives back comes with a FUSE RELEASE or FORGET, which the kernel sends without waiting, so some time is
// allowed before usage counts: little for a tmpfs, which sends nothing, and for the many runs that make a known failure small.
const (
	usagePatience = 30 * time.Second
	shortPatience = 3 * time.Second
)

// awaitBaseline waits until the mount is as free as before the first case.
func (s *side) awaitBaseline(within time.Duration) *mismatch {
	return awaitAgreement(within, func() (fieldsOf, fieldsOf, error) {
		now, err := s.watcher.ask(request{Control: controlUsage, Directory: s.mount})
		return fieldsOf(s.baseline.Facts), fieldsOf(now.Outcome.Facts), err
	})
}

// compareUsage compares how much of each mount is in use since its first case began.
func (p *pair) compareUsage() []mismatch {
	differing := awaitAgreement(p.patience, func() (reference, subject fieldsOf, err error) {
		ofReference, ofSubject, err := p.askWatchers(request{Control: controlUsage, Directory: "/"})
		return p.reference.used(ofReference.Outcome), p.subject.used(ofSubject.Outcome), err
	})
	if differing == nil {
		return nil
	}
	return []mismatch{*differing}
}

// used is the difference of the usage to the baseline.
func (s *side) used(now Outcome) fieldsOf {
	var fields fieldsOf
	for i, fact := range now.Facts {
		before, errBefore := strconv.ParseInt(s.baseline.Facts[i].Value, 10, 64)
		free, errFree := strconv.ParseInt(fact.Value, 10, 64)
		if err := errors.Join(errBefore, errFree); err != nil {
			fields = append(fields, Fact{fact.Key, err.Error()})
			continue
		}
		fields = append(fields, Fact{fact.Key + ", change", fmt.Sprint(free - before)})
	}
	return fields
}

// awaitAgreement asks again until both sides agree or the time is over; then it returns the first mismatch.
func awaitAgreement(within time.Duration, ask func() (reference, subject fieldsOf, err error)) *mismatch {
	for deadline := time.Now().Add(within); ; awaitTick() {
		reference, subject, err := ask()
		if err != nil {
			return &mismatch{label: "usage", field: "answer", subject: err.Error()}
		}
		differing := compareFields("usage", 0, reference, subject)
		if len(differing) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return &differing[0]
		}
	}
}

// abort ends a FUSE mount on which a call hangs, so that the call returns and the test can end. It does nothing to a tmpfs.
func (s *side) abort() error {
	for _, fact := range s.baseline.Facts {
		if fact.Key != deviceFact {
			continue
		}
		err := os.WriteFile("/sys/fs/fuse/connections/"+fact.Value+"/abort", []byte("1"), 0o200)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("aborting the mount at %s: %w", s.mount, err)
		}
	}
	return nil
}
