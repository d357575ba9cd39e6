package semfs

import (
	"sync/atomic"
	"testing"
)

// Whoever relies on it is told of a sleeper that begins, and of each time that it was woken, before it does anything else.
func TestSleepersAreSaidToBeAwake(t *testing.T) {
	onEachLibc(t, 0, func(t *testing.T, _ string, f fixture) {
		var times atomic.Int64
		o := operated{f, NewOperator(f.Semaphore, NewSleepers(1, nil, func() { times.Add(1) }), nil)}
		t.Cleanup(o.operator.Close)
		ended := o.start(o.operator.NewClient(0), "wait", Conditions{})
		awaitWaiters(t, o.Semaphore, 1)
		begun := times.Load()
		if begun == 0 {
			t.Error("nobody was told of a sleeper that waits")
		}
		wantNoError(t, "Post", o.Post(1))
		wantEnd(t, "wait", ended)
		if times.Load() == begun {
			t.Error("a wait has ended, and nobody was told that its sleeper was woken")
		}
	})
}
