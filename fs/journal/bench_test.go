package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 1, 50} {
		b.Run(fmt.Sprint(readers, "-readers"), func(b *testing.B) { benchmarkPublish(b, readers) })
	}
}

func benchmarkPublish(b *testing.B, readers int) {
	j := New()
	var reading sync.WaitGroup
	open := make([]*Reader, readers)
	for i := range open {
		r := j.Subscribe(nil)
		open[i] = r
		reading.Go(func() {
			for into := make([]byte, 1<<17); ; {
				wait(r)
				if _, err := r.Read(into); errors.Is(err, os.ErrClosed) {
					return
				}
			}
		})
	}
	event := &Event{Kind: Create, Object: "directory/object", Inode: 12345, UID: 1000, PID: 4711, Command: "bash", Type: "file"}
	b.ReportAllocs()
	for b.Loop() {
		j.Publish(event)
	}
	for _, r := range open {
		r.Close()
	}
	reading.Wait()
}

func BenchmarkPass(b *testing.B) {
	j := New()
	for b.Loop() {
		j.Pass()
	}
}

func BenchmarkEncode(b *testing.B) {
	event := &Event{Kind: Create, Time: when, Object: "directory/object", Inode: 12345, UID: 1000, PID: 4711, Command: "bash", Type: "file"}
	b.ReportAllocs()
	for b.Loop() {
		encode(event)
	}
}
