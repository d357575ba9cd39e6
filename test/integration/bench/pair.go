package main

import (
	"context"
	"errors"
)

// hugePages is the option of the rows that want them, spelled alike for shmfs and tmpfs.
const hugePages = "huge=within_size"

// pair is a row that compares one kernel in two places, or two kernels.
type pair struct {
	key, title, unit string
	kernel           string
	against          string // the reference's kernel, if it is another
	options          string // of the target's mount
	reference        string // options of the tmpfs to compare with; sharedMemory stands for the machine's own
	apart            bool   // ping-pong's processes run on two CPUs
	free             bool   // all processes run on any CPU, as the daemon does that they call or stand for
	steady           bool   // a pass is cheap beside the preparation, and there are steadyFactor times as many
	bar              bar
}

// steadyFactor is worth its time for bars that leave only 3 or 5 %.
const steadyFactor = 4

// pairs is the table of what shmfs must show, the objects rows aside.
func pairs() []pair {
	return []pair{
		{key: "first-touch", title: "first-touch write faults", unit: "ns/page", kernel: "first-touch",
			reference: sharedMemory, bar: atMost(1.05)},
		{key: "first-touch-huge", title: "first-touch write faults, huge=within_size, against tmpfs with it", unit: "ns/page",
			kernel: "first-touch", options: hugePages, reference: hugePages, bar: atMost(1.05)},
		{key: "second-mapping-huge", title: "second mapping's read faults, huge=within_size", unit: "ns/page",
			kernel: "second-mapping", options: hugePages, reference: sharedMemory, bar: atMost(0.3)},
		{steady: true, key: "memset", title: "memset through the mapping", unit: "GB/s", kernel: "memset",
			reference: sharedMemory, bar: atLeast(0.97)},
		{steady: true, key: "memcpy", title: "memcpy through the mapping", unit: "GB/s", kernel: "memcpy",
			reference: sharedMemory, bar: atLeast(0.97)},
		{steady: true, key: "pwrite", title: "pwrite of 64 KiB, commit=lazy", unit: "GB/s", kernel: "pwrite",
			options: "commit=lazy", reference: sharedMemory, bar: atLeast(0.95)},
		{steady: true, key: "pread", title: "pread of 64 KiB, commit=lazy", unit: "GB/s", kernel: "pread",
			options: "commit=lazy", reference: sharedMemory, bar: atLeast(0.95)},
		{steady: true, key: "pwrite-huge", title: "pwrite of 64 KiB, commit=lazy, huge=within_size", unit: "GB/s", kernel: "pwrite",
			options: "commit=lazy," + hugePages, reference: sharedMemory, bar: atLeast(1.4)},
		{steady: true, key: "pread-huge", title: "pread of 64 KiB, commit=lazy, huge=within_size", unit: "GB/s", kernel: "pread",
			options: "commit=lazy," + hugePages, reference: sharedMemory, bar: atLeast(1.1)},
		{steady: true, key: "random", title: "random 8-byte reads", unit: "million/s", kernel: "random",
			reference: sharedMemory, bar: atLeast(0.97)},
		{steady: true, key: "random-huge", title: "random 8-byte reads, huge=within_size", unit: "million/s", kernel: "random",
			options: hugePages, reference: sharedMemory, bar: atLeast(1.1)},
		{key: "ping-pong-one-cpu", title: "futex ping-pong, both processes on one CPU", unit: "ns/round trip",
			kernel: "ping-pong", reference: sharedMemory, bar: between(0.85, 1.15)},
		{key: "ping-pong-two-cpus", title: "futex ping-pong, one process on each of two CPUs", unit: "ns/round trip",
			kernel: "ping-pong", reference: sharedMemory, apart: true, bar: between(0.85, 1.15)},
		{steady: true, key: "semaphore-uncontended", title: "sem_post and sem_wait, uncontended", unit: "ns/post and wait",
			kernel: "semaphore-uncontended", reference: sharedMemory, bar: between(0.97, 1.03)},
		{key: "semaphore-ping-pong-one-cpu", title: "ping-pong of two named semaphores, both processes on one CPU",
			unit: "ns/round trip", kernel: "semaphore-ping-pong", reference: sharedMemory, bar: between(0.85, 1.15)},
		{key: "semaphore-ping-pong-two-cpus", title: "ping-pong of two named semaphores, one process on each of two CPUs",
			unit: "ns/round trip", kernel: "semaphore-ping-pong", reference: sharedMemory, apart: true, bar: between(0.85, 1.15)},
		{key: "semaphore-text-post", title: "\"post\" written to a semaphore, against a byte's round trip over pipes", unit: "ns",
			kernel: "semaphore-text-post", against: "pipe", reference: sharedMemory, free: true, bar: atMost(1.5)},
		{key: "semaphore-text-trywait", title: "\"trywait\" written to a semaphore, against a byte's round trip over pipes",
			unit: "ns", kernel: "semaphore-text-trywait", against: "pipe", reference: sharedMemory, free: true, bar: atMost(1.5)},
	}
}

// measurePair returns the row's result, which carries the error if there is one.
func (b *bench) measurePair(ctx context.Context, row pair) result {
	sides, err := b.pairSides(row)
	if err == nil {
		err = b.interleave(ctx, match{sides: sides, passes: b.pairPasses(row)})
	}
	measured := result{err: err}
	if err == nil {
		measured = joinSides(sides)
	}
	measured.key, measured.title, measured.unit, measured.bar = row.key, row.title, row.unit, row.bar
	return measured
}

func (b *bench) pairPasses(row pair) int {
	if row.steady {
		return b.passes * steadyFactor
	}
	return b.passes
}

// pairSides are the target, the reference and, if the noise is wanted, the reference again.
func (b *bench) pairSides(row pair) ([]*side, error) {
	work := job{kernel: row.kernel, bytes: b.bytes, cpu: b.cpu, partnerCPU: b.cpu}
	if row.apart {
		if b.otherCPU < 0 {
			return nil, errors.New("a second CPU is needed")
		}
		work.partnerCPU = b.otherCPU
	}
	if row.free {
		work.cpu, work.partnerCPU = anyCPU, anyCPU
	}
	target, err := b.places.target("", row.options)
	if err != nil {
		return nil, err
	}
	reference, err := b.reference(row)
	if err != nil {
		return nil, err
	}
	standard := work
	if row.against != "" {
		standard.kernel = row.against
	}
	sides := []*side{{place: target, job: work}, {place: reference, job: standard}}
	if b.compare {
		sides = append(sides, &side{place: reference, job: standard})
	}
	return sides, nil
}

func (b *bench) reference(row pair) (place, error) {
	if row.reference == sharedMemory {
		return b.places.shared()
	}
	return b.places.tmpfs("reference", row.reference)
}

// joinSides takes target, reference and, if there is a third, the reference again.
func joinSides(sides []*side) result {
	if len(sides) < 3 {
		return newResult(sides[0].figures, sides[1].figures, nil)
	}
	return newResult(sides[0].figures, sides[1].figures, sides[2].figures)
}
