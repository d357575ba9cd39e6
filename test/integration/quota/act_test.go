package quota

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// doing is what an actor has.
type doing struct {
	open   []int // descriptors, by the number that the test knows them by
	mapped [][]byte
}

// act does what each line says, in a mount, and answers each with a number and an errno: "4096 0". It ends with its input.
func act(mount string, input io.Reader, output io.Writer) error {
	if err := unix.Chdir(mount); err != nil {
		return err
	}
	unix.Umask(0)
	d := &doing{}
	fmt.Fprintln(output, 0, 0) // ready
	lines := bufio.NewScanner(input)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		value, err := d.do(words[0], words[1:])
		errno, is := err.(unix.Errno)
		if err != nil && !is {
			return fmt.Errorf("%q: %w", words, err)
		}
		if _, err := fmt.Fprintln(output, value, int(errno)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		panic(err) // the tests' own mistake
	}
	return value
}

// do makes one call. Numbers of descriptors are the actor's own.
func (d *doing) do(call string, w []string) (int64, error) {
	switch call {
	case "open": // name, flags
		return d.opened(unix.Open(w[0], int(number(w[1]))|unix.O_CLOEXEC, 0o666))
	case "tmpfile":
		return d.opened(unix.Open(".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o666))
	case "close":
		return 0, unix.Close(d.open[number(w[0])])
	case "ftruncate": // descriptor, size
		return 0, unix.Ftruncate(d.open[number(w[0])], number(w[1]))
	case "truncate": // name, size
		return 0, unix.Truncate(w[0], number(w[1]))
	case "fallocate": // descriptor, mode, offset, length
		return 0, unix.Fallocate(d.open[number(w[0])], uint32(number(w[1])), number(w[2]), number(w[3]))
	case "write": // descriptor, length, offset
		n, err := unix.Pwrite(d.open[number(w[0])], make([]byte, number(w[1])), number(w[2]))
		return int64(n), err
	case "text": // name, what
		return 0, d.text(w[0], w[1])
	case "map": // descriptor, length: every page is stored to
		return 0, d.touch(d.open[number(w[0])], int(number(w[1])))
	case "mkdir":
		return 0, unix.Mkdir(w[0], 0o777)
	case "rmdir":
		return 0, unix.Rmdir(w[0])
	case "mkfifo":
		return 0, unix.Mkfifo(w[0], 0o666)
	case "symlink": // target, name
		return 0, unix.Symlink(w[0], w[1])
	case "link":
		return 0, unix.Link(w[0], w[1])
	case "give": // a name to a descriptor
		return 0, unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", d.open[number(w[0])]), unix.AT_FDCWD, w[1], unix.AT_SYMLINK_FOLLOW)
	case "unlink":
		return 0, unix.Unlink(w[0])
	case "rename":
		return 0, unix.Rename(w[0], w[1])
	case "chown": // name, owner
		return 0, unix.Lchown(w[0], int(number(w[1])), -1)
	case "fill": // descriptor, bytes each time: appends until that fails, and returns the size
		return d.fill(d.open[number(w[0])], int(number(w[1])))
	case "make": // prefix: makes files until that fails, and returns how many
		return d.make(w[0])
	case "work": // prefix, seed, steps
		return 0, work(w[0], uint64(number(w[1])), int(number(w[2])))
	}
	return 0, fmt.Errorf("there is no call %q", call)
}

func (d *doing) opened(descriptor int, err error) (int64, error) {
	if err != nil {
		return -1, err
	}
	d.open = append(d.open, descriptor)
	return int64(len(d.open) - 1), nil
}

// text writes as a shell does.
func (d *doing) text(name, text string) error {
	descriptor, err := unix.Open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return err
	}
	defer unix.Close(descriptor)
	_, err = unix.Write(descriptor, []byte(text))
	return err
}

func (d *doing) touch(descriptor, length int) error {
	memory, err := unix.Mmap(descriptor, 0, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	for at := 0; at < length; at += os.Getpagesize() {
		memory[at]++
	}
	d.mapped = append(d.mapped, memory)
	return nil
}

func (d *doing) fill(descriptor, each int) (int64, error) {
	data := make([]byte, each)
	for size := int64(0); ; {
		n, err := unix.Pwrite(descriptor, data, size)
		if err != nil {
			return size, err
		}
		size += int64(n)
	}
}

func (d *doing) make(prefix string) (int64, error) {
	for made := int64(0); ; made++ {
		descriptor, err := unix.Open(fmt.Sprint(prefix, made), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o666)
		if err != nil {
			return made, err
		}
		if err := unix.Close(descriptor); err != nil {
			return made, err
		}
	}
}

const workNames = 12

// work does random things below names of its own; what does not fit is part of it. In the end nothing is reserved behind a file's end, where
// no call would show it.
func work(prefix string, seed uint64, steps int) error {
	random := rand.New(rand.NewPCG(seed, 7))
	var held []int
	name := func() string { return fmt.Sprintf("%s%d", prefix, random.IntN(workNames)) }
	for range steps {
		if err := step(random, name, &held); err != nil && err != unix.EDQUOT && err != unix.ENOSPC {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	for i := range workNames {
		if descriptor, err := unix.Open(fmt.Sprint(prefix, i), unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
			held = append(held, descriptor)
		}
	}
	for _, descriptor := range held {
		var stat unix.Stat_t
		if err := unix.Fstat(descriptor, &stat); err != nil {
			return err
		}
		if err := expected(unix.Ftruncate(descriptor, stat.Size), unix.EINVAL); err != nil {
			return err
		}
	}
	return nil
}

// step does one random thing. What others or it itself did before may be in the way.
func step(random *rand.Rand, name func() string, held *[]int) error {
	size := random.Int64N(300 << 10)
	switch random.IntN(12) {
	case 0, 1, 2:
		descriptor, err := unix.Open(name(), unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o666)
		if err == nil {
			*held = append(*held, descriptor)
		}
		return expected(err, unix.EISDIR, unix.ELOOP, unix.ENXIO)
	case 3:
		return expected(unix.Unlink(name()), unix.ENOENT, unix.EISDIR)
	case 4:
		if err := expected(unix.Rmdir(name()), unix.ENOENT, unix.ENOTDIR); err != nil {
			return err
		}
		return expected(unix.Mkdir(name(), 0o777), unix.EEXIST)
	case 5:
		return expected(unix.Symlink(strings.Repeat("t", 1+random.IntN(300)), name()), unix.EEXIST)
	case 6:
		return expected(unix.Link(name(), name()), unix.EEXIST, unix.ENOENT, unix.EPERM)
	case 7:
		return expected(unix.Rename(name(), name()), unix.ENOENT, unix.EISDIR, unix.ENOTDIR)
	case 8:
		return expected(unix.Truncate(name(), size), unix.ENOENT, unix.EISDIR, unix.ELOOP, unix.EINVAL, unix.ENAMETOOLONG)
	}
	if len(*held) == 0 {
		return nil
	}
	i := random.IntN(len(*held))
	one := (*held)[i]
	switch random.IntN(5) {
	case 0:
		*held = append((*held)[:i], (*held)[i+1:]...)
		return unix.Close(one)
	case 1:
		return expected(unix.Ftruncate(one, size), unix.EINVAL)
	case 2:
		return expected(unix.Fallocate(one, uint32(random.IntN(2))*unix.FALLOC_FL_KEEP_SIZE, size/2, 1+size/3), unix.ENODEV, unix.ESPIPE)
	case 3:
		_, err := unix.Pwrite(one, make([]byte, 20<<10), size)
		return expected(err, unix.ESPIPE)
	}
	return expected(unix.Fallocate(one, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, size/2, 1+size/3), unix.ENODEV, unix.ESPIPE)
}

// expected takes errors that the calls before may have led to.
func expected(err error, all ...unix.Errno) error {
	for _, one := range all {
		if err == one {
			return nil
		}
	}
	return err
}
