package mmapcore

import "golang.org/x/sys/cpu"

func compareAndSwapPair(pair *Pair, expected0, expected1, replacement0, replacement1 uint64) (swapped bool) {
	if cpu.ARM64.HasATOMICS {
		return compareAndSwapPairAtOnce(pair, expected0, expected1, replacement0, replacement1)
	}
	return compareAndSwapPairExclusively(pair, expected0, expected1, replacement0, replacement1)
}

// compareAndSwapPairAtOnce takes an instruction of the Large System Extensions, from Armv8.1 on.
//
//go:noescape
func compareAndSwapPairAtOnce(pair *Pair, expected0, expected1, replacement0, replacement1 uint64) (swapped bool)

// compareAndSwapPairExclusively is for processors without it.
//
//go:noescape
func compareAndSwapPairExclusively(pair *Pair, expected0, expected1, replacement0, replacement1 uint64) (swapped bool)
