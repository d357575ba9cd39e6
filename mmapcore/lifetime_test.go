package mmapcore

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestLifetimeEndsWhenTheLastUserLeaves(t *testing.T) {
	life := newLifetime()
	for range 2 {
		if !life.enter() {
			t.Fatal("not let in")
		}
	}
	over := make(chan struct{})
	go func() { life.end(); close(over) }()
	for !life.ended() {
		if life.enter() {
			life.leave()
		}
	}
	if life.enter() {
		t.Error("let in after the end")
	}
	life.leave()
	select {
	case <-over:
		t.Fatal("ended with a user inside")
	default:
	}
	life.leave()
	<-over
	life.end()
}

func TestLifetimeUnderContention(t *testing.T) {
	for range 50 {
		life := newLifetime()
		var gone atomic.Bool
		var users, enders sync.WaitGroup
		for range 4 {
			users.Go(func() {
				for life.enter() {
					if gone.Load() {
						t.Error("somebody is inside after the end")
					}
					life.leave()
				}
			})
			enders.Go(func() { life.end(); gone.Store(true) })
		}
		enders.Wait()
		users.Wait()
	}
}
