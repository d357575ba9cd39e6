#include "textflag.h"

// func compareAndSwapPair(pair *Pair, expected0, expected1, replacement0, replacement1 uint64) (swapped bool)
TEXT ·compareAndSwapPair(SB), NOSPLIT, $0-41
	MOVQ pair+0(FP), DI
	MOVQ expected0+8(FP), AX
	MOVQ expected1+16(FP), DX
	MOVQ replacement0+24(FP), BX
	MOVQ replacement1+32(FP), CX
	LOCK
	CMPXCHG16B (DI)
	SETEQ swapped+40(FP)
	RET
