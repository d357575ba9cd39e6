package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// held describes every descriptor (position and flags) and every page of every mapping the worker holds.
func (w *worker) held() response {
	var all response
	for i := range w.files {
		if w.files[i] < 0 {
			continue
		}
		sight := w.seeFile(slot(i), i)
		all.After = append(all.After, sight)
		if sight.isRegular() {
			position, err := unix.Seek(w.files[i], 0, unix.SEEK_CUR)
			all.Outcome.Facts = append(all.Outcome.Facts, Fact{slot(i) + " position", fmt.Sprint(position, " ", err != nil)})
		}
		flags, err := unix.FcntlInt(uintptr(w.files[i]), unix.F_GETFL, 0)
		all.Outcome.Facts = append(all.Outcome.Facts, Fact{slot(i) + " flags", fmt.Sprintf("%#x %v", flags, err != nil)})
	}
	for i := range w.areas {
		all.Outcome.Facts = append(all.Outcome.Facts, w.pages(i)...)
	}
	return all
}

func (w *worker) pages(n int) []Fact {
	var facts []Fact
	for page := range int64(areaPages) {
		data, faulted := w.areas[n].load(page*pageSize, pageSize)
		if faulted && len(data) == 0 {
			facts = append(facts, Fact{fmt.Sprintf("%s page %d", area(n), page), "faults"})
			continue
		}
		facts = append(facts, Fact{fmt.Sprintf("%s page %d", area(n), page), digest(data)})
	}
	return facts
}
