package top

import (
	"math"
	"testing"
	"time"
)

func TestSizeText(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0", 999: "999", 1000: "1.0K", 4096: "4.0K", 102348: "99.9K", 102400: "100K", 1 << 20: "1.0M", 1023 << 20: "1.0G",
		64 << 20: "64.0M", 512 << 30: "512G", math.MaxInt64: "8.0E", -4096: "-4.0K", math.MinInt64: "-8.0E"} {
		if got := sizeText(bytes); got != want {
			t.Errorf("%d is %s, want %s", bytes, got, want)
		}
	}
}

func TestSpanText(t *testing.T) {
	for span, want := range map[time.Duration]string{0: "00:00:00", 3661 * time.Second: "01:01:01", 90061 * time.Second: "1d 01:01:01"} {
		if got := spanText(span); got != want {
			t.Errorf("%v is %s, want %s", span, got, want)
		}
	}
}

func TestChanges(t *testing.T) {
	start := time.Unix(100, 0)
	before := &Sample{At: start, Objects: []Object{{Name: "a", Inode: 1, Resident: 100}, {Name: "b", Inode: 2}, {Name: "c", Inode: 3, Resident: 8192}}}
	after := &Sample{At: start.Add(2 * time.Second), Objects: []Object{{Name: "a", Inode: 1, Resident: 4196}, {Name: "b", Inode: 9, Resident: 4096},
		{Name: "c", Inode: 3, Modified: start}, {Name: "d", Inode: 5}}}
	found := changes(before, after)
	for name, want := range map[string]change{"a": {rate: 2048, known: true}, "b": {}, "c": {rate: -4096, written: true, known: true}, "d": {}} {
		if found[name] != want {
			t.Errorf("%s: %+v, want %+v", name, found[name], want)
		}
	}
	if changes(nil, after) != nil || changes(after, before) != nil {
		t.Error("there is a change without two samples one after the other")
	}
	for _, some := range []struct {
		change change
		want   string
	}{{change{}, "-"}, {change{known: true}, "-"}, {change{written: true, known: true}, "w -"}, {change{-4096, true, true}, "w -4.0K"},
		{change{2048, false, true}, "+2.0K"}, {change{0.4, false, true}, "-"}} {
		if got := some.change.text(); got != some.want {
			t.Errorf("%+v is %q, want %q", some.change, got, some.want)
		}
	}
}
