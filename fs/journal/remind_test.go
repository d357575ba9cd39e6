package journal

import "testing"

// TestRemind has a reader that has something to read told of what follows.
func TestRemind(t *testing.T) {
	j := New()
	r := j.Subscribe(nil)
	defer r.Close()
	j.Publish(&Event{Kind: Create, Object: "first"})
	told := make(chan struct{}, 1)
	tell := func() { told <- struct{}{} }
	if !r.Poll(1, tell) {
		t.Fatal("there is an event, and Poll says that there is none")
	}
	r.Remind(1, tell)
	select {
	case <-told:
		t.Fatal("told before there was another event")
	default:
	}
	j.Publish(&Event{Kind: Create, Object: "second"})
	<-told
}
