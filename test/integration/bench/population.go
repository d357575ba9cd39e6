package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

const (
	// daemonLimit is the most that the daemon of the large population may ever have had resident.
	daemonLimit = 600 << 20
	// bytesPerObject is a generous guess at the kernel memory of one object in two file systems, inodes and names included.
	bytesPerObject = 5 << 10
	lookupGrowth   = 1.3
)

// population is the same directories twice in each file system: with many objects, and with one object in each.
type population struct {
	bench                   *bench
	many, few               place // of the target
	tmpfsMany, tmpfsFew     place
	createCost, tmpfsCreate float64 // microseconds for each of the many
}

// populationRow is a row of the population, its figures still blank.
type populationRow struct {
	blank   result
	measure func(context.Context) (result, error)
}

// rows lists remembered ahead of forgotten: forgetting first would leave nothing to remember.
func (p *population) rows() []populationRow {
	b := p.bench
	return []populationRow{
		{result{key: "objects-create", unit: "us/object", bar: noBar(),
			title: fmt.Sprintf("%d objects in %d directories created, against tmpfs", b.objects, b.directories)}, p.creation},
		{result{key: "objects-lookup-in-use", unit: "us/name", bar: atMost(lookupGrowth),
			title: fmt.Sprintf("lookup of names in use, among %d against %d", b.objects, b.directories)}, p.inUse},
		{result{key: "objects-lookup-remembered", unit: "times", bar: atMost(lookupGrowth),
			title: "growth of lookups all over what the kernel remembers, against tmpfs's growth"}, p.remembered},
		{result{key: "objects-lookup", unit: "us/name", bar: atMost(lookupGrowth),
			title: fmt.Sprintf("lookup that the kernel forgot, among %d against %d", b.objects, b.directories)}, p.forgotten},
		{result{key: "objects-memory", unit: "MiB", bar: atMost(1),
			title: fmt.Sprintf("daemon's peak memory with %d objects, against the limit", b.objects)}, p.memory},
	}
}

func populationKeys() []string {
	var keys []string
	for _, row := range (&population{bench: &bench{}}).rows() {
		keys = append(keys, row.blank.key)
	}
	return keys
}

// measurePopulation returns the wanted objects rows.
func (b *bench) measurePopulation(ctx context.Context) []result {
	p := &population{bench: b}
	var results []result
	var unready error
	for _, row := range p.rows() {
		if !b.wants(row.blank.key) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(b.progress, "measuring %s\n", row.blank.key)
		if p.createCost == 0 && unready == nil {
			unready = p.create(ctx)
		}
		measured, err := result{}, unready
		if err == nil {
			measured, err = row.measure(ctx)
		}
		measured.key, measured.title, measured.unit, measured.bar = row.blank.key, row.blank.title, row.blank.unit, row.blank.bar
		measured.err = err
		results = append(results, measured)
	}
	return results
}

// create mounts and fills all four places.
func (p *population) create(ctx context.Context) (err error) {
	b := p.bench
	if err := requireMemory(uint64(b.objects) * bytesPerObject); err != nil {
		return err
	}
	// What tmpfs allows by default depends on the machine's memory.
	options := fmt.Sprintf("nr_inodes=%d", 2*(b.objects+b.directories))
	if p.many, err = b.places.target("many objects", options); err != nil {
		return err
	}
	if p.few, err = b.places.target("few objects", options); err != nil {
		return err
	}
	if p.tmpfsMany, err = b.places.tmpfs("many objects", options); err != nil {
		return err
	}
	if p.tmpfsFew, err = b.places.tmpfs("few objects", options); err != nil {
		return err
	}
	if _, err = p.fill(ctx, p.few, b.directories); err != nil {
		return err
	}
	if _, err = p.fill(ctx, p.tmpfsFew, b.directories); err != nil {
		return err
	}
	if p.tmpfsCreate, err = p.fill(ctx, p.tmpfsMany, b.objects); err != nil {
		return err
	}
	p.createCost, err = p.fill(ctx, p.many, b.objects)
	return err
}

// fill creates the objects and counts what is there afterwards.
func (p *population) fill(ctx context.Context, where place, objects int) (float64, error) {
	k, err := startKernel(ctx, p.bench.program, p.job("create", where, objects))
	if err != nil {
		return 0, err
	}
	cost, err := k.pass()
	if err != nil {
		return 0, err
	}
	if err := k.stop(); err != nil {
		return 0, err
	}
	found, err := countObjects(where.directory, p.bench.directories)
	if err != nil {
		return 0, err
	}
	if found != objects {
		return 0, fmt.Errorf("%d objects were created in %s and %d are listed", objects, where.directory, found)
	}
	return cost, nil
}

func countObjects(directory string, directories int) (int, error) {
	found := 0
	for at := range directories {
		path := filepath.Join(directory, fmt.Sprintf("directory-%d", at))
		listed, err := os.Open(path)
		if err != nil {
			return 0, fmt.Errorf("counting the objects: %w", err)
		}
		names, err := listed.Readdirnames(-1)
		if closeErr := listed.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return 0, fmt.Errorf("counting the objects in %s: %w", path, err)
		}
		found += len(names)
	}
	return found, nil
}

func (p *population) job(kernel string, where place, objects int) job {
	b := p.bench
	return job{kernel: kernel, directory: where.directory, cpu: b.cpu, partnerCPU: b.cpu, objects: objects, directories: b.directories}
}

func (p *population) side(kernel string, where place, objects int) *side {
	return &side{place: where, job: p.job(kernel, where, objects)}
}

func (p *population) creation(context.Context) (result, error) {
	made := newResult([]float64{p.createCost}, []float64{p.tmpfsCreate}, nil)
	made.note = "one run; only the absence of errors is judged, and that a listing finds every object"
	return made, nil
}

// grown compares a lookup kernel among many objects with the same among few.
func (p *population) grown(ctx context.Context, kernel string, before func() error) (result, error) {
	b := p.bench
	sides := []*side{p.side(kernel, p.many, b.objects), p.side(kernel, p.few, b.directories)}
	if b.compare {
		sides = append(sides, p.side(kernel, p.few, b.directories))
	}
	if err := b.interleave(ctx, match{sides: sides, passes: b.passes, before: before}); err != nil {
		return result{}, err
	}
	return joinSides(sides), nil
}

func (p *population) forgotten(ctx context.Context) (result, error) {
	measured, err := p.grown(ctx, "lookup", forgetNames)
	measured.note = fmt.Sprintf("each name is new to the kernel and so is its directory: two questions to the daemon; "+
		"the small population is %d objects in as many directories", p.bench.directories)
	return measured, err
}

func (p *population) inUse(ctx context.Context) (result, error) {
	return p.grown(ctx, "lookup-in-use", nil)
}

// remembered holds growth against growth: names all over a large population miss the CPU's caches in any file system.
func (p *population) remembered(ctx context.Context) (result, error) {
	b := p.bench
	sides := []*side{
		p.side("lookup", p.many, b.objects), p.side("lookup", p.few, b.directories),
		p.side("lookup", p.tmpfsMany, b.objects), p.side("lookup", p.tmpfsFew, b.directories),
	}
	if err := b.interleave(ctx, match{sides: sides, passes: b.passes}); err != nil {
		return result{}, err
	}
	measured := newResult(ratios(sides[0].figures, sides[1].figures), ratios(sides[2].figures, sides[3].figures), nil)
	measured.note = fmt.Sprintf("a lookup costs %.2f and %.2f us in the target, %.2f and %.2f us in tmpfs", median(sides[0].figures),
		median(sides[1].figures), median(sides[2].figures), median(sides[3].figures))
	return measured, nil
}

func (p *population) memory(context.Context) (result, error) {
	if p.many.daemon == nil {
		return result{target: 0, reference: daemonLimit >> 20, ratio: spreadOf([]float64{0}), note: "tmpfs has no daemon"}, nil
	}
	resident, peak, err := p.many.daemon.memory()
	if err != nil {
		return result{}, err
	}
	share := float64(peak) / daemonLimit
	return result{
		target: float64(peak) / (1 << 20), reference: daemonLimit >> 20, ratio: spreadOf([]float64{share}),
		note: fmt.Sprintf("peak (VmHWM) %d MiB, now (VmRSS) %d MiB, processes %v, %d bytes of the peak an object", peak>>20, resident>>20,
			p.many.daemon.processes, int64(math.Round(float64(peak)/float64(p.bench.objects)))),
	}, nil
}
