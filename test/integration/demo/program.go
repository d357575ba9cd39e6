package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages names the Debian and Ubuntu packages that hold the programs the demonstration runs.
var packages = map[string][]string{
	"gcc":     {"gcc", "libc6-dev"},
	"python3": {"python3"},
	"strace":  {"strace"},
}

// installPrograms installs, through apt-get, the programs that are missing, and says so.
func installPrograms(ctx context.Context, names ...string) error {
	var missing, wanted []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
			wanted = append(wanted, packages[name]...)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%s not found, and no apt-get to install it with: install %s by hand",
			strings.Join(missing, ", "), strings.Join(wanted, ", "))
	}
	fmt.Fprintf(os.Stderr, "demo: installing through apt-get, because missing: %s\n", strings.Join(wanted, " "))
	for _, arguments := range [][]string{{"update"}, append([]string{"install", "--yes", "--no-install-recommends"}, wanted...)} {
		command := exec.CommandContext(ctx, "apt-get", append([]string{"--quiet"}, arguments...)...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(arguments, " "), err, output)
		}
	}
	return nil
}

// programs is where the example programs are and what runs them.
type programs struct {
	compiled string // directory of the C programs' executables
	scripts  string // directory of the Python programs
	python   string // the interpreter itself, not a wrapper script that starts it
}

// cPrograms are the sources in docs/examples/c, without ".c".
var cPrograms = []string{"server", "client", "pipe", "fifo", "mq", "socket"}

// compilerFlags are the ones CI checks the programs with. librt and libpthread hold mq_open and sem_open before glibc 2.34.
var compilerFlags = []string{"-O2", "-Wall", "-Wextra", "-Werror", "-pthread"}

// preparePrograms compiles the C programs into the directory.
func preparePrograms(ctx context.Context, examples, directory string) (programs, error) {
	p := programs{compiled: directory, scripts: filepath.Join(examples, "python")}
	for _, name := range cPrograms {
		if err := compile(ctx, filepath.Join(examples, "c", name+".c"), filepath.Join(directory, name)); err != nil {
			return p, err
		}
	}
	interpreter, err := exec.CommandContext(ctx, "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return p, fmt.Errorf("asking python3 for its own path: %w", err)
	}
	p.python = strings.TrimSpace(string(interpreter))
	if p.python == "" {
		return p, errors.New("python3 does not know its own path")
	}
	return p, nil
}

// compile compiles one C program; extra are more compiler flags.
func compile(ctx context.Context, source, executable string, extra ...string) error {
	arguments := append(append([]string{}, compilerFlags...), extra...)
	arguments = append(arguments, "-o", executable, source, "-lrt")
	if output, err := exec.CommandContext(ctx, "gcc", arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w\n%s", source, err, output)
	}
	return nil
}

func (p programs) c(name string, arguments ...string) []string {
	return append([]string{filepath.Join(p.compiled, name)}, arguments...)
}

func (p programs) py(name string, arguments ...string) []string {
	return append([]string{p.python, filepath.Join(p.scripts, name+".py")}, arguments...)
}
