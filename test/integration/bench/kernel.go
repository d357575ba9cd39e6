package main

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed measure/*.c measure/*.h
var sources embed.FS

// compileKernels builds the measuring program in dir and returns its path.
func compileKernels(dir string) (string, error) {
	if err := os.CopyFS(dir, sources); err != nil {
		return "", fmt.Errorf("unpacking the measuring program: %w", err)
	}
	units, err := filepath.Glob(filepath.Join(dir, "measure", "*.c"))
	if err != nil {
		return "", fmt.Errorf("listing the measuring program's sources: %w", err)
	}
	program := filepath.Join(dir, "measure.out")
	arguments := append([]string{"-O2", "-pthread", "-Wall", "-Wextra", "-Werror", "-o", program}, units...)
	output, err := exec.Command("gcc", arguments...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("compiling the measuring program: gcc is missing, install the package gcc: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("compiling the measuring program: %w\n%s", err, output)
	}
	return program, nil
}

// answerLimit is far beyond the longest pass, the creation of a million objects.
const answerLimit = 15 * time.Minute

// anyCPU leaves a kernel's process as free as bench itself and the daemons are.
const anyCPU = -1

// job says what a kernel works on.
type job struct {
	kernel               string
	directory            string
	bytes                int // of the kernel's file; a power of two for "random"
	cpu, partnerCPU      int // of the process, and of its partner if it has one; or anyCPU
	objects, directories int // of the population kernels; objects a multiple of directories
}

// kernel is a running measuring process, prepared and waiting for the word. Not for concurrent use.
type kernel struct {
	job     job
	command *exec.Cmd
	words   io.WriteCloser
	figures *bufio.Reader
	errors  bytes.Buffer
}

// startKernel returns when the kernel is prepared. Cancelling ctx kills it. The caller must stop it.
func startKernel(ctx context.Context, program string, work job) (*kernel, error) {
	k := &kernel{job: work}
	k.command = exec.CommandContext(ctx, program, work.kernel, work.directory, strconv.Itoa(work.bytes), strconv.Itoa(work.cpu),
		strconv.Itoa(work.partnerCPU), strconv.Itoa(work.objects), strconv.Itoa(work.directories))
	k.command.Stderr = &k.errors
	// A terminal's interrupt must reach bench only, which then ends the kernels and cleans up after them.
	k.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	words, err := k.command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("preparing kernel %s: %w", work.kernel, err)
	}
	figures, err := k.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("preparing kernel %s: %w", work.kernel, err)
	}
	if err := k.command.Start(); err != nil {
		return nil, fmt.Errorf("starting kernel %s: %w", work.kernel, err)
	}
	k.words, k.figures = words, bufio.NewReader(figures)
	line, err := k.answer()
	if err == nil && line != "ready" {
		err = fmt.Errorf("it says %q", line)
	}
	if err != nil {
		return nil, k.failure("preparing", err)
	}
	return k, nil
}

// answer awaits one line from the kernel, and kills it when that takes too long: a hung mount is to be reported.
func (k *kernel) answer() (string, error) {
	watchdog := time.AfterFunc(answerLimit, func() { _ = k.command.Process.Kill() })
	line, err := k.figures.ReadString('\n')
	if !watchdog.Stop() {
		err = errors.Join(fmt.Errorf("no answer within %v", answerLimit), err)
	}
	return strings.TrimSpace(line), err
}

// pass has the kernel measure once and returns its figure.
func (k *kernel) pass() (float64, error) {
	if _, err := io.WriteString(k.words, "pass\n"); err != nil {
		return 0, k.failure("starting a pass of", err)
	}
	line, err := k.answer()
	if err != nil {
		return 0, k.failure("awaiting a pass of", err)
	}
	figure, err := strconv.ParseFloat(line, 64)
	if err != nil {
		return 0, k.failure("reading the figure of", err)
	}
	if figure <= 0 {
		return 0, k.failure("reading the figure of", fmt.Errorf("%v is not positive", figure))
	}
	return figure, nil
}

// stop lets the kernel remove its file and end, and waits for that. Stopping twice is allowed.
func (k *kernel) stop() error {
	if k.command.ProcessState != nil {
		return nil
	}
	_ = k.words.Close() // fails only if the process is gone already, which Wait reports
	if err := k.command.Wait(); err != nil {
		return k.failure("ending", err)
	}
	return nil
}

// failure ends the kernel, whose own words are complete only then, and adds them.
func (k *kernel) failure(doing string, err error) error {
	if k.command.ProcessState == nil {
		_ = k.words.Close()
		err = errors.Join(err, k.command.Wait())
	}
	said := strings.TrimSpace(k.errors.String())
	return fmt.Errorf("%s kernel %s in %s: %w: %s", doing, k.job.kernel, k.job.directory, err, said)
}
