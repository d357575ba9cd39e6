package systemd

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// tryEverything is the part of a client that does what the settings of a service could keep its daemon from doing for it.
func tryEverything(directory string) error {
	path := filepath.Join(directory, "everything")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		return err
	}
	var stat unix.Stat_t
	wrong := errors.Join(
		during("a device", unix.Mknod(path+".device", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))),
		during("a disk", unix.Mknod(path+".disk", unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0)))),
		during("a FIFO", unix.Mkfifo(path+".fifo", 0o600)),
		during("a change of owner", unix.Chown(path, 4001, 4002)),
		during("setuid and setgid", unix.Chmod(path, 0o6755)),
		during("an attribute", unix.Setxattr(path, "user.name", []byte("value"), 0)),
		during("a trusted attribute", unix.Setxattr(path, "trusted.name", []byte("value"), 0)),
		during("a look", unix.Stat(path, &stat)),
		tryHandle(path),
		tryCommand(directory, "who", "everything"),
		tryCommand(directory, "sem", "create", "tried", "1"),
		tryCommand(directory, "sem", "run", "tried", "--", "true"),
		tryCommand(directory, "quota", "ls"),
	)
	if stat.Mode&0o7777 != 0o6755 || stat.Uid != 4001 || stat.Gid != 4002 {
		wrong = errors.Join(wrong, fmt.Errorf("the file is %+v", stat))
	}
	return wrong
}

// during says what an error came of.
func during(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// tryHandle opens a file by its handle.
func tryHandle(path string) error {
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
	if err != nil {
		return fmt.Errorf("a handle: %w", err)
	}
	within, err := unix.Open(filepath.Dir(path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(within)
	descriptor, err := unix.OpenByHandleAt(within, handle, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return fmt.Errorf("opening by handle: %w", err)
	}
	return unix.Close(descriptor)
}

// tryCommand runs a command of shmfs.
func tryCommand(directory string, arguments ...string) error {
	command := exec.Command("shmfs", arguments...)
	command.Env = append(os.Environ(), "SHMFS_MOUNT="+directory)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("shmfs %s: %w: %s", strings.Join(arguments, " "), err, said)
	}
	return nil
}

// many is how many directories a holder has: more than a service manager is given to keep.
const many = 1100

// holdMany is the part of a client that has many directories without a name. It says at each line of its input how many of them are lost, and
// asks the mount's path for nothing.
func holdMany(directory string) error {
	var held []int
	for i := range many {
		descriptor, err := emptyDirectory(filepath.Join(directory, fmt.Sprint("directory", i)))
		if err != nil {
			return err
		}
		held = append(held, descriptor)
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan() && lines.Text() != "end"; {
		lost := 0
		for _, descriptor := range held {
			if requireNameless(descriptor) != nil {
				lost++
			}
		}
		fmt.Println(lost)
	}
	return nil
}
