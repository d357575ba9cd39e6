#include "textflag.h"

// func compareAndSwapPairAtOnce(pair *Pair, expected0, expected1, replacement0, replacement1 uint64) (swapped bool)
TEXT ·compareAndSwapPairAtOnce(SB), NOSPLIT, $0-41
	MOVD pair+0(FP), R0
	MOVD expected0+8(FP), R2
	MOVD expected1+16(FP), R3
	MOVD replacement0+24(FP), R4
	MOVD replacement1+32(FP), R5
	MOVD R2, R6
	MOVD R3, R7
	// The assembler knows CASP without acquire and release only.
	WORD $0x4866fc04 // CASPAL R6, R7, R4, R5, (R0)
	CMP  R2, R6
	CCMP EQ, R3, R7, $0
	CSET EQ, R1
	MOVB R1, swapped+40(FP)
	RET

// What a pair's load sees is in one piece only if the store that follows it succeeds. A half that differs is enough to know that the
// pair did when that half was loaded.

// func compareAndSwapPairExclusively(pair *Pair, expected0, expected1, replacement0, replacement1 uint64) (swapped bool)
TEXT ·compareAndSwapPairExclusively(SB), NOSPLIT, $0-41
	MOVD pair+0(FP), R0
	MOVD expected0+8(FP), R2
	MOVD expected1+16(FP), R3
	MOVD replacement0+24(FP), R4
	MOVD replacement1+32(FP), R5
again:
	LDAXP (R0), (R6, R7)
	CMP   R2, R6
	CCMP  EQ, R3, R7, $0
	BNE   done
	STLXP (R4, R5), (R0), R8
	CBNZ  R8, again
done:
	CSET EQ, R1
	MOVB R1, swapped+40(FP)
	RET
