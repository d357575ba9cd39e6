package faults

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// fullSize is the size of a mount that is filled.
const fullSize = "48M"

// TestFullMount has several clients fill a mount again and again, and touch everything that they were promised, while harm is done. What does
// not fit is refused with ENOSPC, never with a signal, and in the end not one page is left.
func TestFullMount(t *testing.T) {
	for _, harm := range some() {
		t.Run(harm.name, func(t *testing.T) {
			d := mountDaemon(t, "require-passthrough,size="+fullSize)
			before, err := d.stats()
			must(t, err)
			var fillers []*member
			seed := firstSeed(t)
			for number := range clients {
				user := 0
				if number%2 == 1 {
					user = firstUser + number
				}
				fillers = append(fillers, startMember(t, d.place, "filler", user, order{Place: d.place, Number: number, Seed: seed}))
			}
			tellAll(t, fillers, "go")
			befall(t, func() bool { return false }, d, &harm)
			tellAll(t, fillers, "fill")
			requireNotOnePage(t, d)
			refused := 0
			for _, one := range fillers {
				must(t, one.tell("end"))
			}
			for _, one := range fillers {
				var told filled
				must(t, one.result(&told, patience))
				if told.Wrong != "" {
					t.Error(told.Wrong)
				}
				refused += told.Refused
			}
			t.Logf("refused %d times", refused)
			if refused == 0 {
				t.Error("nothing was refused")
			}
			d.requireSettled(t, 0)
			d.requireEmptied(t, before)
		})
	}
}

// tellAll waits until all members are ready and tells them something.
func tellAll(t testing.TB, members []*member, what string) {
	t.Helper()
	for _, one := range members {
		line, err := one.line(2 * patience)
		must(t, err)
		if line != "ready\n" {
			t.Fatalf("one of them says %q", line)
		}
	}
	for _, one := range members {
		must(t, one.tell(what))
	}
}

// requireNotOnePage waits until a mount is full to the last byte.
func requireNotOnePage(t testing.TB, d *daemon) {
	t.Helper()
	eventually(t, "the mount is full", func() (bool, string) {
		said, err := d.stats()
		must(t, err)
		return said["bytes-charged"] == said["bytes-limit"], fmt.Sprintf("%s of %s", said["bytes-charged"], said["bytes-limit"])
	})
	said, err := d.stats()
	must(t, err)
	mebibytes, err := strconv.Atoi(strings.TrimSuffix(fullSize, "M"))
	must(t, err)
	if said["bytes-limit"] != strconv.Itoa(mebibytes<<20) {
		t.Errorf("the limit is %s, want %s", said["bytes-limit"], fullSize)
	}
}
