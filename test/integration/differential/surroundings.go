package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var surroundingOperations = []operation{
	{
		name: "umask", weight: 3,
		draw: func(d drawer, c *Call) { c.Mode = pick(d, "mask", []uint32{0o022, 0, 0o077, 0o777, 0o002}) },
		run:  func(_ *worker, c Call) Outcome { return result(int64(unix.Umask(int(c.Mode))), nil) },
		show: func(c Call) string { return fmt.Sprintf("umask(%#o)", c.Mode) },
	},
	{
		name: "chdir", weight: 4,
		draw: func(d drawer, c *Call) {
			c.Path = pick(d, "directory", append([]Name{"/", "/", "/"}, directoryPaths...))
		},
		run:  func(_ *worker, c Call) Outcome { return result(0, unix.Chdir(string(c.Path))) },
		show: func(c Call) string { return fmt.Sprintf("chdir(%v)", c.Path) },
	},
	{
		name: "fchdir", weight: 3,
		draw: func(d drawer, c *Call) { c.File = d.folder() },
		run:  func(w *worker, c Call) Outcome { return result(0, unix.Fchdir(w.files[c.File])) },
		show: func(c Call) string { return fmt.Sprintf("fchdir(%s)", slot(c.File)) },
	},
	{
		name: "getcwd", weight: 3,
		draw: func(drawer, *Call) {},
		run: func(*worker, Call) Outcome {
			buffer := make([]byte, 2*unix.PathMax)
			n, err := unix.Getcwd(buffer)
			return bytesNamed(buffer, n, err)
		},
		show: func(Call) string { return "getcwd()" },
	},
	{
		name: "look at everything", weight: 6,
		draw: func(drawer, *Call) {},
		run:  func(*worker, Call) Outcome { return Outcome{} }, // the sequence asks every worker; see sequence.go
		show: func(Call) string { return "look at the whole tree, every descriptor and every mapping" },
	},
}

func bytesNamed(buffer []byte, n int, err error) Outcome {
	if err != nil {
		return failure(err)
	}
	return Outcome{Facts: []Fact{{"path", fmt.Sprintf("%q", buffer[:n])}}}
}
