package inspection

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// worker is one of the users of TestTruth, a process of its own: it does whatever can be done with files, and at the end holds some open
// and mapped.
type worker struct {
	random *rand.Rand
	prefix string   // of its names in the root
	names  []string // of regular files, in its directories or in the root
	links  []string // other names, which lead to files with one of the names
	places []string // directories
	open   []int
	mapped [][]byte
	next   int
}

// work does the worker's random calls in the mount, says "ready" and holds what it has until its input ends.
func work(seed, mount string) error {
	number, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	if err := unix.Chdir(mount); err != nil {
		return err
	}
	unix.Umask(0)
	prefix := fmt.Sprintf("u%d", os.Getuid())
	w := &worker{random: rand.New(rand.NewPCG(number, uint64(os.Getuid()))), prefix: prefix, places: []string{prefix}}
	if err := unix.Mkdir(prefix, 0o755); err != nil {
		return err
	}
	calls := []func() error{w.create, w.create, w.create, w.write, w.write, w.truncate, w.allocate, w.punch, w.mkdir, w.link, w.symlink, w.special,
		w.rename, w.unlink, w.chmod, w.hold, w.hold, w.mapSome, w.mapSome, w.release, w.semaphore, w.orphan, w.openDirectory}
	for range 400 {
		if err := calls[w.random.IntN(len(calls))](); err != nil {
			return fmt.Errorf("user %d: %w", os.Getuid(), err)
		}
	}
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1)) // its end is the sign to go
	return nil
}

// fresh is a name that nothing has.
func (w *worker) fresh(prefix string) string {
	w.next++
	if w.random.IntN(4) == 0 {
		return fmt.Sprintf("%s-%s %d", w.prefix, prefix, w.next)
	}
	return fmt.Sprintf("%s/%s%d", w.places[w.random.IntN(len(w.places))], prefix, w.next)
}

// some returns one of the files, the empty string while there is none.
func (w *worker) some() string {
	if len(w.names) == 0 {
		return ""
	}
	return w.names[w.random.IntN(len(w.names))]
}

// with opens a file and does something with it. While there is none it does nothing.
func (w *worker) with(do func(descriptor int) error) error {
	name := w.some()
	if name == "" {
		return nil
	}
	descriptor, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening %q: %w", name, err)
	}
	defer unix.Close(descriptor)
	if err := do(descriptor); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

func (w *worker) create() error {
	name := w.fresh("file")
	descriptor, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return fmt.Errorf("creating %q: %w", name, err)
	}
	w.names = append(w.names, name)
	_, err = unix.Pwrite(descriptor, make([]byte, w.random.IntN(20000)), 0)
	return firstError(err, unix.Close(descriptor))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) write() error {
	return w.with(func(descriptor int) error {
		_, err := unix.Pwrite(descriptor, make([]byte, 1+w.random.IntN(9000)), w.random.Int64N(200<<10))
		return err
	})
}

func (w *worker) truncate() error {
	return w.with(func(descriptor int) error { return unix.Ftruncate(descriptor, w.random.Int64N(300<<10)) })
}

func (w *worker) allocate() error {
	return w.with(func(descriptor int) error {
		return unix.Fallocate(descriptor, 0, w.random.Int64N(100<<10), 1+w.random.Int64N(100<<10))
	})
}

func (w *worker) punch() error {
	return w.with(func(descriptor int) error {
		return unix.Fallocate(descriptor, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, w.random.Int64N(100<<10), 1+w.random.Int64N(50<<10))
	})
}

func (w *worker) mkdir() error {
	name := w.fresh("dir")
	w.places = append(w.places, name)
	return unix.Mkdir(name, 0o755)
}

func (w *worker) link() error {
	name := w.some()
	if name == "" {
		return nil
	}
	other := w.fresh("link")
	w.links = append(w.links, other)
	return unix.Link(name, other)
}

func (w *worker) symlink() error { return unix.Symlink(w.prefix+" to nowhere", w.fresh("symlink")) }

func (w *worker) special() error {
	kind := []uint32{unix.S_IFIFO, unix.S_IFSOCK}[w.random.IntN(2)]
	return unix.Mknod(w.fresh("special"), kind|0o644, 0)
}

func (w *worker) rename() error {
	if len(w.names) == 0 {
		return nil
	}
	i := w.random.IntN(len(w.names))
	to := w.fresh("renamed")
	if w.random.IntN(3) == 0 {
		to = w.some() // replaces another, or itself
	}
	err := unix.Rename(w.names[i], to)
	if sameFile(w.names[i], to) || err != nil {
		return err // two names of one file: nothing happens
	}
	w.names = deleted(deleted(w.names, w.names[i]), to)
	w.names = append(w.names, to)
	return nil
}

func sameFile(one, other string) bool {
	var first, second unix.Stat_t
	return unix.Lstat(one, &first) == nil && unix.Lstat(other, &second) == nil && first.Ino == second.Ino
}

func deleted(names []string, name string) []string {
	var left []string
	for _, one := range names {
		if one != name {
			left = append(left, one)
		}
	}
	return left
}

func (w *worker) unlink() error {
	if len(w.names) < 10 {
		return nil
	}
	name := w.some()
	w.names = deleted(w.names, name)
	return unix.Unlink(name)
}

func (w *worker) chmod() error {
	if name := w.some(); name != "" {
		return unix.Chmod(name, 0o600|uint32(w.random.IntN(0o100)))
	}
	return nil
}

// hold opens a file and leaves it open.
func (w *worker) hold() error {
	name := w.some()
	if name == "" || len(w.open) > 20 {
		return nil
	}
	flags := []int{unix.O_RDONLY, unix.O_RDWR, unix.O_WRONLY | unix.O_APPEND, unix.O_RDWR | unix.O_NONBLOCK}[w.random.IntN(4)]
	descriptor, err := unix.Open(name, flags|unix.O_CLOEXEC, 0)
	w.open = append(w.open, descriptor)
	return err
}

func (w *worker) openDirectory() error {
	if w.random.IntN(4) > 0 {
		return nil
	}
	descriptor, err := unix.Open(w.places[w.random.IntN(len(w.places))], unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	w.open = append(w.open, descriptor)
	return err
}

// mapSome maps a part of a file, and touches some of it.
func (w *worker) mapSome() error {
	if len(w.mapped) > 20 {
		return nil
	}
	return w.with(func(descriptor int) error {
		var stat unix.Stat_t
		if err := unix.Fstat(descriptor, &stat); err != nil || stat.Size < 4096 {
			return err
		}
		page := w.random.Int64N(stat.Size / 4096)
		flags := []int{unix.MAP_SHARED, unix.MAP_PRIVATE}[w.random.IntN(2)]
		memory, err := unix.Mmap(descriptor, page*4096, int(stat.Size-page*4096), unix.PROT_READ|unix.PROT_WRITE, flags)
		if err != nil {
			return fmt.Errorf("mapping: %w", err)
		}
		for at := 0; at < len(memory); at += 4096 * (1 + w.random.IntN(3)) {
			memory[at]++
		}
		w.mapped = append(w.mapped, memory)
		if w.random.IntN(3) == 0 {
			return unix.Mprotect(memory[:4096], unix.PROT_READ)
		}
		return nil
	})
}

func (w *worker) release() error {
	if len(w.open) == 0 {
		return nil
	}
	last := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	return unix.Close(last)
}

func (w *worker) semaphore() error {
	w.next++
	name := fmt.Sprintf("sem.%s-%d", w.prefix, w.next)
	descriptor, err := unix.Open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	_, err = unix.Write(descriptor, []byte(strconv.Itoa(w.random.IntN(100))))
	if err == nil && w.random.IntN(2) == 0 {
		w.open = append(w.open, descriptor)
		_, err = unix.Write(descriptor, []byte("set 5"))
		if err == nil {
			_, err = unix.Write(descriptor, []byte("acquire"))
		}
		return err
	}
	return firstError(err, unix.Close(descriptor))
}

// orphan makes a file that loses its name and stays open or mapped.
func (w *worker) orphan() error {
	name := w.fresh("orphan")
	descriptor, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	if _, err := unix.Write(descriptor, make([]byte, 1+w.random.IntN(30000))); err != nil {
		return err
	}
	if w.random.IntN(2) == 0 {
		w.open = append(w.open, descriptor)
		return unix.Unlink(name)
	}
	memory, err := unix.Mmap(descriptor, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	w.mapped = append(w.mapped, memory)
	return firstError(unix.Close(descriptor), unix.Unlink(name))
}
