package mmapcore

// compareAndSwapPair takes an instruction that amd64 processors have since 2006.
//
//go:noescape
func compareAndSwapPair(pair *Pair, expected0, expected1, replacement0, replacement1 uint64) (swapped bool)
