package quota

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRaceForBytes has processes of one user fill files at once until nothing is given any more: what they got is the limit, to the byte.
// Another user, who goes to and fro below their own, is never refused.
func TestRaceForBytes(t *testing.T) {
	const limit, racers = 1000, 6 // limit in pages
	inEach(t, strictPlaces, fmt.Sprintf("size=64M,quota-uid=%d", limit*page), func(t *testing.T, mount string) {
		b := start(t, mount, ben)
		theirs := b.must("open", "ben's", unix.O_RDWR|unix.O_CREAT)
		var all []*actor
		for i := range racers {
			a := start(t, mount, ann)
			a.must("open", fmt.Sprint("file", i), unix.O_RDWR|unix.O_CREAT)
			all = append(all, a)
		}
		for i, a := range all {
			a.ask("fill", 0, (i+1)*page+i) // unlike amounts, no whole pages
		}
		for range 50 {
			b.must("ftruncate", theirs, limit*page)
			b.must("ftruncate", theirs, 0)
		}
		var sum int64
		for i, a := range all {
			size, errno := a.answer("fill")
			if errno != unix.EDQUOT {
				t.Fatalf("racer %d ends with %v", i, errno)
			}
			sum += (size + page - 1) / page
		}
		if sum != limit {
			t.Errorf("they got %d pages of %d", sum, limit)
		}
		wantHolds(t, mount, ann, limit, racers)
		// What one gives back, others get, and no more.
		all[0].must("ftruncate", 0, 0)
		for i, a := range all[1:] {
			a.ask("open", fmt.Sprint("more", i), unix.O_RDWR|unix.O_CREAT)
		}
		for _, a := range all[1:] {
			a.answer("open")
			a.ask("fill", 1, page)
		}
		for _, a := range all[1:] {
			a.answer("fill")
		}
		wantHolds(t, mount, ann, limit, 2*racers-1)
	})
}

// TestRaceForObjects is the same for objects.
func TestRaceForObjects(t *testing.T) {
	const limit, racers = 500, 6
	inEach(t, allPlaces, fmt.Sprintf("quota-objects=%d", limit), func(t *testing.T, mount string) {
		b := start(t, mount, ben)
		var all []*actor
		for range racers {
			all = append(all, start(t, mount, ann))
		}
		for i, a := range all {
			a.ask("make", fmt.Sprintf("file%d-", i))
		}
		for i := range 50 {
			name := fmt.Sprint("ben's", i)
			b.must("mkdir", name)
			b.must("rmdir", name)
		}
		var sum int64
		for i, a := range all {
			made, errno := a.answer("make")
			if errno != unix.EDQUOT {
				t.Fatalf("racer %d ends with %v", i, errno)
			}
			sum += made
		}
		if sum != limit {
			t.Errorf("they made %d objects of %d", sum, limit)
		}
		wantHolds(t, mount, ann, 0, limit)
	})
}

// TestRaceForOneName has processes at the limit open one name, which only one of them makes: the others find it.
func TestRaceForOneName(t *testing.T) {
	inEach(t, allPlaces, "quota-objects=1", func(t *testing.T, mount string) {
		var all []*actor
		for range 6 {
			all = append(all, start(t, mount, ann))
		}
		for i := range 20 {
			for _, a := range all {
				a.ask("open", "file", unix.O_RDWR|unix.O_CREAT)
			}
			for _, a := range all {
				if _, errno := a.answer("open"); errno != 0 {
					t.Fatalf("opening what another has made: %v", errno)
				}
			}
			wantHolds(t, mount, ann, 0, 1)
			all[0].must("unlink", "file")
			for _, a := range all {
				a.must("close", i)
			}
			wantHolds(t, mount, ann, 0, 0)
		}
	})
}
