package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	settings
	target string
	binary string
}

func main() {
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
	}
	os.Exit(status)
}

// parse reads the command line; quick changes the defaults of the others.
func parse(arguments []string) (options, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "small sizes and few runs: shows that everything works, too little to judge")
	compare := flags.Bool("compare", false, "also measure the reference against itself and print that null ratio")
	rows := flags.String("rows", "", "only the rows whose `KEYS` begin like one of these, separated by commas")
	runs := flags.Int("runs", 0, "fresh sets of processes and files a row, of which the medians are taken (default 9, with -quick 3)")
	target := flags.String("target", "shmfs", "what is measured: shmfs, or tmpfs with the same options in its place")
	binary := flags.String("shmfs", filepath.Join("bin", "shmfs"), "`PATH` of the shmfs binary")
	if err := flags.Parse(arguments); err != nil {
		return options{}, err
	}
	wanted := options{settings: fullSettings(), target: *target, binary: *binary}
	if *quick {
		wanted.settings = quickSettings()
	}
	wanted.compare = *compare
	if *runs != 0 {
		wanted.runs = *runs
	}
	if *rows != "" {
		wanted.rows = strings.Split(*rows, ",")
	}
	return wanted, errors.Join(wanted.check(), noArguments(flags.Args()))
}

func noArguments(rest []string) error {
	if len(rest) == 0 {
		return nil
	}
	return fmt.Errorf("unexpected argument %q", rest[0])
}

func (o options) check() error {
	if o.runs < 1 {
		return fmt.Errorf("-runs %d: at least one run is needed", o.runs)
	}
	if o.target != "shmfs" && o.target != "tmpfs" {
		return fmt.Errorf("-target %s: it is shmfs or tmpfs", o.target)
	}
	for _, start := range o.rows {
		if err := requireRow(start); err != nil {
			return err
		}
	}
	return nil
}

func requireRow(start string) error {
	keys := populationKeys()
	for _, row := range pairs() {
		keys = append(keys, row.key)
	}
	for _, key := range keys {
		if start != "" && strings.HasPrefix(key, start) {
			return nil
		}
	}
	return fmt.Errorf("-rows %s: no row begins so; there are %s", start, strings.Join(keys, ", "))
}

// run returns the exit status; an error is what kept it from printing a whole table.
func run(arguments []string) (int, error) {
	wanted, err := parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		return 0, nil
	}
	if err != nil {
		return 2, err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	results, err := measureAll(ctx, wanted)
	if len(results) > 0 {
		err = errors.Join(err, printTable(os.Stdout, wanted.target, results), describeMachine(os.Stdout))
	}
	if err != nil {
		return 2, err
	}
	return exitStatus(results), nil
}

// measureAll makes everything that measuring needs and takes it away again, also after an interruption.
func measureAll(ctx context.Context, wanted options) (results []result, err error) {
	if err := describeMachine(os.Stdout); err != nil {
		return nil, err
	}
	cpus, err := allowedCPUs()
	if err != nil {
		return nil, err
	}
	binary, err := filepath.Abs(wanted.binary)
	if err != nil {
		return nil, fmt.Errorf("finding shmfs: %w", err)
	}
	base, err := os.MkdirTemp("", "shmfs-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a directory to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	program, err := compileKernels(base)
	if err != nil {
		return nil, err
	}
	b := &bench{settings: wanted.settings, program: program, cpu: cpus[len(cpus)-1], otherCPU: -1, progress: os.Stderr}
	if len(cpus) > 1 {
		b.otherCPU = cpus[0]
	}
	b.places = newPlaces(wanted.target, binary, base)
	defer func() { err = errors.Join(err, b.places.close()) }()
	return b.measure(ctx)
}
