package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// filler is a client that takes all the room there is, and touches all of it.
type filler struct {
	order
	random  *rand.Rand
	files   []*filling
	made    int // files so far
	refused int
}

// filling is one of its files: each page begins with the stamp, once it was touched.
type filling struct {
	path       string
	descriptor int
	size       int // bytes
	stamp      byte
}

// filled is what a filler says when it ends.
type filled struct {
	Wrong   string
	Refused int // how often there was no room
}

// runFiller is the life of a filler: it says "ready" and is told to go; when it is told to fill, it takes what is left page by page; then it is
// told to end.
func runFiller(argument string) error {
	runtime.LockOSThread()
	debug.SetPanicOnFault(true)
	f := &filler{}
	if err := json.Unmarshal([]byte(argument), &f.order); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	f.random = rand.New(rand.NewPCG(f.Seed, uint64(f.Number)))
	told := filled{Wrong: f.protected(f.work), Refused: f.refused}
	return json.NewEncoder(os.Stdout).Encode(told)
}

func (f *filler) protected(do func() error) (found string) {
	defer func() {
		if panicked := recover(); panicked != nil {
			found = fmt.Sprintf("filler %d: %v\n%s", f.Number, panicked, debug.Stack())
		}
	}()
	if err := do(); err != nil {
		return fmt.Sprintf("filler %d: %v", f.Number, err)
	}
	return ""
}

func (f *filler) work() error {
	orders := bufio.NewReader(os.Stdin)
	if err := awaitOrder(orders); err != nil {
		return err
	}
	var filling atomic.Bool
	told := make(chan error, 1)
	go func() {
		told <- awaitOrder(orders)
		filling.Store(true)
	}()
	for !filling.Load() {
		if err := f.step(); err != nil {
			return err
		}
	}
	if err := errors.Join(<-told, f.fill(), f.touchAll()); err != nil {
		return err
	}
	if _, err := orders.ReadString('\n'); err != nil {
		return fmt.Errorf("waiting for the end: %w", err)
	}
	return errors.Join(f.touchAll(), f.closeAll())
}

// awaitOrder says that it is ready and waits for a line.
func awaitOrder(orders *bufio.Reader) error {
	fmt.Println("ready")
	if _, err := orders.ReadString('\n'); err != nil {
		return fmt.Errorf("waiting for an order: %w", err)
	}
	return nil
}

// step does one random thing.
func (f *filler) step() error {
	const most = 12 // files
	switch choice := f.random.IntN(10); {
	case len(f.files) == 0 || choice == 0 && len(f.files) < most:
		return f.make()
	case choice < 6:
		return f.grow(f.one(), 1+f.random.IntN(256)*page)
	case choice < 7:
		return f.punch(f.one())
	case choice < 8:
		return f.cut(f.one())
	case choice < 9:
		return f.touch(f.one())
	}
	return f.remove(f.random.IntN(len(f.files)))
}

func (f *filler) one() *filling { return f.files[f.random.IntN(len(f.files))] }

func (f *filler) make() error {
	f.made++
	path := filepath.Join(f.Place, fmt.Sprintf("filler-%d-%d", f.Number, f.made))
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	f.files = append(f.files, &filling{path: path, descriptor: descriptor, stamp: byte(1 + f.random.IntN(255))})
	return nil
}

// grow makes a file larger in one of the ways there are. ENOSPC is an answer; whatever was got is touched.
func (f *filler) grow(file *filling, more int) error {
	size := file.size + more
	var err error
	switch f.random.IntN(3) {
	case 0:
		err = unix.Ftruncate(file.descriptor, int64(size))
	case 1:
		err = unix.Fallocate(file.descriptor, 0, int64(file.size), int64(more))
	case 2:
		var written int
		written, err = unix.Pwrite(file.descriptor, make([]byte, more), int64(file.size))
		size = file.size + max(0, written)
	}
	if errors.Is(err, unix.ENOSPC) {
		f.refused++
		var stat unix.Stat_t
		if err := unix.Fstat(file.descriptor, &stat); err != nil || int(stat.Size) < file.size || int(stat.Size) > size {
			return fmt.Errorf("after ENOSPC a file of %d bytes has %d: %w", file.size, stat.Size, err)
		}
		size, err = int(stat.Size), nil
	}
	if err != nil {
		return fmt.Errorf("growing to %d bytes: %w", size, err)
	}
	file.size = size
	return f.touch(file)
}

// touch stores into each page of a file, where nothing or its stamp must be, by a new mapping.
func (f *filler) touch(file *filling) error {
	var stat unix.Stat_t
	if err := unix.Fstat(file.descriptor, &stat); err != nil || int(stat.Size) != file.size {
		return fmt.Errorf("a file of %d bytes has %d: %w", file.size, stat.Size, err)
	}
	if file.size == 0 {
		return nil
	}
	memory, err := unix.Mmap(file.descriptor, 0, file.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping %d bytes: %w", file.size, err)
	}
	for at := 0; at < len(memory); at += page {
		if memory[at] != 0 && memory[at] != file.stamp {
			return fmt.Errorf("page %d of %s begins with %d, want 0 or %d", at/page, file.path, memory[at], file.stamp)
		}
		memory[at] = file.stamp
	}
	if err := unix.Munmap(memory); err != nil {
		return fmt.Errorf("unmapping: %w", err)
	}
	return nil
}

func (f *filler) touchAll() error {
	for _, file := range f.files {
		if err := f.touch(file); err != nil {
			return err
		}
	}
	return nil
}

// punch makes holes, whose room stays promised.
func (f *filler) punch(file *filling) error {
	if file.size == 0 {
		return nil
	}
	offset := f.random.IntN(file.size)
	err := unix.Fallocate(file.descriptor, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(offset), int64(1+f.random.IntN(64*page)))
	if err != nil {
		return fmt.Errorf("punching a hole: %w", err)
	}
	return f.touch(file)
}

func (f *filler) cut(file *filling) error {
	size := f.random.IntN(file.size + 1)
	if err := unix.Ftruncate(file.descriptor, int64(size)); err != nil {
		return fmt.Errorf("cutting %d bytes to %d: %w", file.size, size, err)
	}
	file.size = size
	return f.touch(file)
}

func (f *filler) remove(at int) error {
	file := f.files[at]
	f.files = append(f.files[:at], f.files[at+1:]...)
	return errors.Join(unix.Unlink(file.path), f.touch(file), unix.Close(file.descriptor))
}

// fill takes what is left, in ever smaller pieces, until there is not one page.
func (f *filler) fill() error {
	if err := f.make(); err != nil {
		return err
	}
	file := f.files[len(f.files)-1]
	for piece := 256 * page; piece >= page; {
		before := file.size
		if err := f.grow(file, wholePages(before)+piece-before); err != nil {
			return err
		}
		if wholePages(file.size) == wholePages(before) {
			piece /= 2
		}
	}
	return nil
}

func (f *filler) closeAll() error {
	for _, file := range f.files {
		if err := unix.Close(file.descriptor); err != nil {
			return fmt.Errorf("closing: %w", err)
		}
	}
	return nil
}
