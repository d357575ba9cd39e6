//go:build race

#include "textflag.h"

// Load-acquire with store-release is sequentially consistent on arm64. A store-exclusive that fails (its register is not 0)
// starts over.

// func load32(word *uint32) uint32
TEXT ·load32(SB), NOSPLIT, $0-12
	MOVD  word+0(FP), R0
	LDARW (R0), R1
	MOVW  R1, ret+8(FP)
	RET

// func load64(word *uint64) uint64
TEXT ·load64(SB), NOSPLIT, $0-16
	MOVD word+0(FP), R0
	LDAR (R0), R1
	MOVD R1, ret+8(FP)
	RET

// func store32(word *uint32, value uint32)
TEXT ·store32(SB), NOSPLIT, $0-12
	MOVD  word+0(FP), R0
	MOVW  value+8(FP), R1
	STLRW R1, (R0)
	RET

// func store64(word *uint64, value uint64)
TEXT ·store64(SB), NOSPLIT, $0-16
	MOVD word+0(FP), R0
	MOVD value+8(FP), R1
	STLR R1, (R0)
	RET

// func add32(word *uint32, delta uint32) (sum uint32)
TEXT ·add32(SB), NOSPLIT, $0-20
	MOVD word+0(FP), R0
	MOVW delta+8(FP), R1
again:
	LDAXRW (R0), R2
	ADDW   R1, R2
	STLXRW R2, (R0), R3
	CBNZ   R3, again
	MOVW   R2, sum+16(FP)
	RET

// func add64(word *uint64, delta uint64) (sum uint64)
TEXT ·add64(SB), NOSPLIT, $0-24
	MOVD word+0(FP), R0
	MOVD delta+8(FP), R1
again:
	LDAXR (R0), R2
	ADD   R1, R2
	STLXR R2, (R0), R3
	CBNZ  R3, again
	MOVD  R2, sum+16(FP)
	RET

// func compareAndSwap32(word *uint32, expected, replacement uint32) (swapped bool)
TEXT ·compareAndSwap32(SB), NOSPLIT, $0-17
	MOVD word+0(FP), R0
	MOVW expected+8(FP), R1
	MOVW replacement+12(FP), R2
again:
	LDAXRW (R0), R3
	CMPW   R1, R3
	BNE    done
	STLXRW R2, (R0), R4
	CBNZ   R4, again
done:
	CSET EQ, R0
	MOVB R0, swapped+16(FP)
	RET

// func compareAndSwap64(word *uint64, expected, replacement uint64) (swapped bool)
TEXT ·compareAndSwap64(SB), NOSPLIT, $0-25
	MOVD word+0(FP), R0
	MOVD expected+8(FP), R1
	MOVD replacement+16(FP), R2
again:
	LDAXR (R0), R3
	CMP   R1, R3
	BNE   done
	STLXR R2, (R0), R4
	CBNZ  R4, again
done:
	CSET EQ, R0
	MOVB R0, swapped+24(FP)
	RET
