// Walker visits points, for the tests of package crashpoint.
package main

import (
	"fmt"
	"os"

	"shmfs/mmapcore/crashpoint"
)

var sum int

//go:noinline
func with() {
	sum++
	crashpoint.Here("walker-within-with")
	sum *= 3
}

//go:noinline
func without() {
	sum++
	sum *= 3
}

func main() {
	if len(os.Args) > 1 {
		with()
		without()
	}
	for round := range 3 {
		crashpoint.Here("walker-early")
		fmt.Println("early", round)
		crashpoint.Here("walker-late")
		fmt.Println("late", round)
	}
}
