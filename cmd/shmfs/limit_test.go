package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := errors.New("failed")
		for _, c := range []struct {
			name  string
			takes time.Duration
			value int
			err   error
			want  error
		}{
			{"in time", patience - 1, 7, nil, nil},
			{"failing in time", 0, 0, failed, failed},
			{"too late", patience + 1, 7, nil, errNoAnswer},
		} {
			value, err := within(func() (int, error) {
				time.Sleep(c.takes)
				return c.value, c.err
			})
			if !errors.Is(err, c.want) || err == nil && value != c.value {
				t.Errorf("%s: %d, %v", c.name, value, err)
			}
		}
		time.Sleep(2 * patience) // the call that was left behind ends before the bubble does
	})
}
