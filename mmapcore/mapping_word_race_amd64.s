//go:build race

#include "textflag.h"

// A plain load or store of an aligned word is atomic on amd64; XCHG, which always locks, orders a store with what follows.

// func load32(word *uint32) uint32
TEXT ·load32(SB), NOSPLIT, $0-12
	MOVQ word+0(FP), BX
	MOVL (BX), AX
	MOVL AX, ret+8(FP)
	RET

// func load64(word *uint64) uint64
TEXT ·load64(SB), NOSPLIT, $0-16
	MOVQ word+0(FP), BX
	MOVQ (BX), AX
	MOVQ AX, ret+8(FP)
	RET

// func store32(word *uint32, value uint32)
TEXT ·store32(SB), NOSPLIT, $0-12
	MOVQ word+0(FP), BX
	MOVL value+8(FP), AX
	XCHGL AX, (BX)
	RET

// func store64(word *uint64, value uint64)
TEXT ·store64(SB), NOSPLIT, $0-16
	MOVQ word+0(FP), BX
	MOVQ value+8(FP), AX
	XCHGQ AX, (BX)
	RET

// func add32(word *uint32, delta uint32) (sum uint32)
TEXT ·add32(SB), NOSPLIT, $0-20
	MOVQ word+0(FP), BX
	MOVL delta+8(FP), AX
	MOVL AX, CX
	LOCK
	XADDL AX, (BX)
	ADDL CX, AX
	MOVL AX, sum+16(FP)
	RET

// func add64(word *uint64, delta uint64) (sum uint64)
TEXT ·add64(SB), NOSPLIT, $0-24
	MOVQ word+0(FP), BX
	MOVQ delta+8(FP), AX
	MOVQ AX, CX
	LOCK
	XADDQ AX, (BX)
	ADDQ CX, AX
	MOVQ AX, sum+16(FP)
	RET

// func compareAndSwap32(word *uint32, expected, replacement uint32) (swapped bool)
TEXT ·compareAndSwap32(SB), NOSPLIT, $0-17
	MOVQ word+0(FP), BX
	MOVL expected+8(FP), AX
	MOVL replacement+12(FP), CX
	LOCK
	CMPXCHGL CX, (BX)
	SETEQ swapped+16(FP)
	RET

// func compareAndSwap64(word *uint64, expected, replacement uint64) (swapped bool)
TEXT ·compareAndSwap64(SB), NOSPLIT, $0-25
	MOVQ word+0(FP), BX
	MOVQ expected+8(FP), AX
	MOVQ replacement+16(FP), CX
	LOCK
	CMPXCHGQ CX, (BX)
	SETEQ swapped+24(FP)
	RET
