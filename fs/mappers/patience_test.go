package mappers

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stuck is an inquiry about a process that does not answer before it is let.
func stuck(t *testing.T) (inquire func() (int, error), answer func()) {
	channel := make(chan struct{})
	answered := false
	answer = func() {
		if !answered {
			answered = true
			close(channel)
		}
	}
	t.Cleanup(answer)
	return func() (int, error) {
		<-channel
		return 0, nil
	}, answer
}

func count() int {
	hanging.mu.Lock()
	defer hanging.mu.Unlock()
	return len(hanging.processes)
}

// Ids that no process has.
const fictitious = 1 << 30

// One that does not answer is waited for once, and asked again when it has answered after all.
func TestWhoDoesNotAnswerIsNotAskedAgain(t *testing.T) {
	inquire, answer := stuck(t)
	if _, err := patiently(t.Context(), fictitious, inquire); !errors.Is(err, unix.ETIMEDOUT) {
		t.Fatalf("error is %v, want ETIMEDOUT", err)
	}
	_, err := patiently(t.Context(), fictitious, func() (int, error) {
		t.Error("it was asked again")
		return 0, nil
	})
	if !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("error is %v, want ETIMEDOUT", err)
	}
	answer()
	eventually(t, "it has answered", func() bool { return count() == 0 })
	if value, err := patiently(t.Context(), fictitious, func() (int, error) { return 5, nil }); value != 5 || err != nil {
		t.Errorf("after that: %d, %v", value, err)
	}
}

func TestFewAreWaitedFor(t *testing.T) {
	t.Cleanup(func() { eventually(t, "all have answered", func() bool { return count() == 0 }) })
	for i := range maxHanging {
		inquire, _ := stuck(t)
		if _, err := patiently(t.Context(), fictitious+i, inquire); !errors.Is(err, unix.ETIMEDOUT) {
			t.Fatalf("error is %v, want ETIMEDOUT", err)
		}
	}
	if _, complete, err := Scan(t.Context(), File{Device: 1, Inode: 1}); complete || err != nil {
		t.Errorf("Scan beyond the bound: complete %v, error %v; want incomplete", complete, err)
	}
}

func TestInquiryEndsWithItsContext(t *testing.T) {
	inquire, answer := stuck(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := patiently(ctx, fictitious, inquire); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("error is %v", err)
	}
	answer()
	eventually(t, "it has answered", func() bool { return count() == 0 })
}
