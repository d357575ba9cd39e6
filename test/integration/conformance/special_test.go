package conformance

import (
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

var specialTests = map[string]test{
	"mknod of every kind":                          specialKinds,
	"mknod refuses":                                specialRefuses,
	"devices are not opened":                       specialDevices,
	"FIFO between processes":                       specialFifo,
	"FIFO without a partner":                       specialFifoAlone,
	"FIFO after rename and unlink":                 specialFifoRenamed,
	"FIFO attributes":                              specialFifoAttributes,
	"writing into a FIFO moves its times":          specialFifoStamps,
	"stream socket":                                specialStream,
	"datagram socket":                              specialDatagram,
	"socket names":                                 specialSocketNames,
	"descriptors through a socket":                 specialPassing,
	"a passed descriptor outlives its file's name": specialPassingUnlinked,
}

func specialKinds(t *testing.T, dir string) {
	for name, c := range map[string]struct {
		mode   uint32
		device uint64
	}{
		"regular": {unix.S_IFREG | 0o640, 0}, "fifo": {unix.S_IFIFO | 0o600, 0}, "socket": {unix.S_IFSOCK | 0o755, 0},
		"null": {unix.S_IFCHR | 0o666, unix.Mkdev(1, 3)}, "disk": {unix.S_IFBLK | 0o660, unix.Mkdev(259, 77777)},
		"large": {unix.S_IFCHR | 0o600, unix.Mkdev(4095, 1048575)}, "plain": {0o644, 0},
	} {
		path := dir + "/" + name
		ok(t, unix.Mknod(path, c.mode, int(c.device)), "mknod of %s", name)
		s := lstat(t, path)
		want := c.mode
		if want&unix.S_IFMT == 0 {
			want |= unix.S_IFREG
		}
		modeIs(t, s, want, "%s", name)
		equal(t, s.Rdev, c.device, "st_rdev of %s", name)
		equal(t, s.Nlink, 1, "st_nlink of %s", name)
		equal(t, s.Size, 0, "st_size of %s", name)
		ok(t, unix.Chmod(path, 0o751), "chmod of %s", name)
		modeIs(t, lstat(t, path), want&unix.S_IFMT|0o751, "%s after chmod", name)
	}
}

func specialRefuses(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	fails(t, unix.EEXIST, unix.Mkfifo(dir+"/f", 0o644), "mkfifo over a file")
	fails(t, unix.EPERM, unix.Mknod(dir+"/d", unix.S_IFDIR|0o755, 0), "mknod of a directory")
	fails(t, unix.EINVAL, unix.Mknod(dir+"/l", unix.S_IFLNK|0o777, 0), "mknod of a symbolic link")
	fails(t, unix.ENOENT, unix.Mkfifo(dir+"/none/p", 0o644), "mkfifo in nothing")
	fails(t, unix.ENOTDIR, unix.Mkfifo(dir+"/f/p", 0o644), "mkfifo in a file")
	specialRefusesStep.run(t, alice, dir)
	names(t, dir, "f", "p")
}

var specialRefusesStep = newStep("mknod as a user", func(p *process, arguments []string) {
	fails(p, unix.EPERM, unix.Mknod(arguments[0]+"/c", unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))), "a character device")
	fails(p, unix.EPERM, unix.Mknod(arguments[0]+"/b", unix.S_IFBLK|0o644, int(unix.Mkdev(7, 0))), "a block device")
	ok(p, unix.Mkfifo(arguments[0]+"/p", 0o644), "a FIFO")
})

func specialDevices(t *testing.T, dir string) {
	ok(t, unix.Mknod(dir+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), "mknod")
	cannotOpen(t, unix.EACCES, dir+"/null", unix.O_RDWR, 0)
	open(t, dir+"/null", pathDescriptor, 0)
	ok(t, unix.Mknod(dir+"/socket", unix.S_IFSOCK|0o666, 0), "mknod")
	cannotOpen(t, unix.ENXIO, dir+"/socket", unix.O_RDWR, 0)
}

var fifoStep = newStep("write to a FIFO", func(p *process, arguments []string) {
	f := open(p, arguments[0], unix.O_WRONLY, 0)
	_, err := unix.Write(f.fd, []byte("through the FIFO"))
	ok(p, err, "write")
})

func specialFifo(t *testing.T, dir string) {
	ok(t, unix.Mkfifo(dir+"/p", 0o622), "mkfifo")
	writer := fifoStep.start(t, alice, nil, dir+"/p")
	f := open(t, dir+"/p", unix.O_RDONLY, 0) // waits for the writer
	sameBytes(t, drain(t, f), []byte("through the FIFO"), "what came out")
	writer.wait(t)
	equal(t, stat(t, dir+"/p").Size, 0, "st_size")
}

func specialFifoAlone(t *testing.T, dir string) {
	ok(t, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	cannotOpen(t, unix.ENXIO, dir+"/p", unix.O_WRONLY|unix.O_NONBLOCK, 0)
	reader := open(t, dir+"/p", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	n, err := unix.Read(reader.fd, make([]byte, 1))
	ok(t, err, "read without a writer")
	equal(t, n, 0, "bytes read without a writer")
	writer := open(t, dir+"/p", unix.O_WRONLY|unix.O_NONBLOCK, 0)
	_, err = unix.Read(reader.fd, make([]byte, 1))
	fails(t, unix.EAGAIN, err, "read of an empty FIFO")
	_, err = unix.Seek(reader.fd, 0, io.SeekStart)
	fails(t, unix.ESPIPE, err, "lseek")
	_, err = unix.Pread(reader.fd, make([]byte, 1), 0)
	fails(t, unix.ESPIPE, err, "pread")
	fails(t, unix.EINVAL, unix.Ftruncate(writer.fd, 0), "ftruncate")
	fails(t, unix.EINVAL, unix.Truncate(dir+"/p", 0), "truncate")
	fails(t, unix.EINVAL, unix.Fsync(writer.fd), "fsync")
}

func specialFifoRenamed(t *testing.T, dir string) {
	ok(t, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	reader := open(t, dir+"/p", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	ok(t, unix.Rename(dir+"/p", dir+"/q"), "rename")
	writer := open(t, dir+"/q", unix.O_WRONLY|unix.O_NONBLOCK, 0)
	ok(t, unix.Unlink(dir+"/q"), "unlink")
	_, err := unix.Write(writer.fd, []byte("still"))
	ok(t, err, "write after unlink")
	buffer := make([]byte, 10)
	n, err := unix.Read(reader.fd, buffer)
	ok(t, err, "read after unlink")
	sameBytes(t, buffer[:n], []byte("still"), "what came out")
	equal(t, reader.stat(t).Nlink, 0, "st_nlink")
}

func specialFifoAttributes(t *testing.T, dir string) {
	ok(t, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	f := open(t, dir+"/p", unix.O_RDWR, 0)
	ok(t, unix.Fchmod(f.fd, 0o620), "fchmod")
	ok(t, unix.Fchown(f.fd, 12, 13), "fchown")
	s := stat(t, dir+"/p")
	modeIs(t, s, unix.S_IFIFO|0o620, "after fchmod")
	equal(t, s.Uid, 12, "owner")
	equal(t, f.stat(t), s, "fstat beside stat")
}

// writeFifo writes into a new FIFO and returns its attributes before and after.
func writeFifo(t *testing.T, dir string) (before, after unix.Stat_t) {
	t.Helper()
	ok(t, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	f := open(t, dir+"/p", unix.O_RDWR, 0)
	before = f.stat(t)
	tick(t)
	_, err := unix.Write(f.fd, []byte("x"))
	ok(t, err, "write")
	return before, f.stat(t)
}

func specialFifoStamps(t *testing.T, dir string) {
	before, after := writeFifo(t, dir)
	stamped(t, before, after, "a FIFO written to")
}

func specialFifoNoStamps(t *testing.T, dir string) {
	before, after := writeFifo(t, dir)
	equal(t, after, before, "fstat of a FIFO written to")
}

func socket(t T, kind int) *file {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	ok(t, err, "socket")
	return adopt(t, fd)
}

var connectStep = newStep("talk to a socket", func(p *process, arguments []string) {
	s := socket(p, unix.SOCK_STREAM)
	ok(p, unix.Connect(s.fd, &unix.SockaddrUnix{Name: arguments[0]}), "connect")
	_, err := unix.Write(s.fd, []byte("hello"))
	ok(p, err, "write")
})

func specialStream(t *testing.T, dir string) {
	server := socket(t, unix.SOCK_STREAM)
	address := &unix.SockaddrUnix{Name: dir + "/s"}
	ok(t, unix.Bind(server.fd, address), "bind")
	modeIs(t, lstat(t, dir+"/s"), unix.S_IFSOCK|0o777, "the socket")
	fails(t, unix.ECONNREFUSED, unix.Connect(socket(t, unix.SOCK_STREAM).fd, address), "connect before listen")
	ok(t, unix.Listen(server.fd, 1), "listen")
	client := connectStep.start(t, alice, nil, dir+"/s")
	fd, _, err := unix.Accept4(server.fd, unix.SOCK_CLOEXEC)
	ok(t, err, "accept")
	sameBytes(t, drain(t, adopt(t, fd)), []byte("hello"), "what the client said")
	client.wait(t)
	ok(t, unix.Chmod(dir+"/s", 0o700), "chmod")
	connectRefusedStep.run(t, alice, dir+"/s")
}

var connectRefusedStep = newStep("connect without the right", func(p *process, arguments []string) {
	err := unix.Connect(socket(p, unix.SOCK_STREAM).fd, &unix.SockaddrUnix{Name: arguments[0]})
	fails(p, unix.EACCES, err, "connect")
})

func specialDatagram(t *testing.T, dir string) {
	server, client := socket(t, unix.SOCK_DGRAM), socket(t, unix.SOCK_DGRAM)
	ok(t, unix.Bind(server.fd, &unix.SockaddrUnix{Name: dir + "/server"}), "bind")
	ok(t, unix.Bind(client.fd, &unix.SockaddrUnix{Name: dir + "/client"}), "bind")
	ok(t, unix.Sendto(client.fd, []byte("datagram"), 0, &unix.SockaddrUnix{Name: dir + "/server"}), "sendto")
	buffer := make([]byte, 100)
	n, from, err := unix.Recvfrom(server.fd, buffer, 0)
	ok(t, err, "recvfrom")
	sameBytes(t, buffer[:n], []byte("datagram"), "the datagram")
	equal(t, from.(*unix.SockaddrUnix).Name, dir+"/client", "the sender's name")
}

func specialSocketNames(t *testing.T, dir string) {
	server := socket(t, unix.SOCK_STREAM)
	ok(t, unix.Bind(server.fd, &unix.SockaddrUnix{Name: dir + "/s"}), "bind")
	ok(t, unix.Listen(server.fd, 1), "listen")
	fails(t, unix.EADDRINUSE, unix.Bind(socket(t, unix.SOCK_STREAM).fd, &unix.SockaddrUnix{Name: dir + "/s"}), "bind again")
	fails(t, unix.ENOENT, unix.Bind(socket(t, unix.SOCK_STREAM).fd, &unix.SockaddrUnix{Name: dir + "/none/s"}), "bind in nothing")
	ok(t, unix.Rename(dir+"/s", dir+"/r"), "rename")
	ok(t, unix.Link(dir+"/r", dir+"/l"), "link")
	ok(t, unix.Connect(socket(t, unix.SOCK_STREAM).fd, &unix.SockaddrUnix{Name: dir + "/l"}), "connect by another name")
	ok(t, unix.Unlink(dir+"/r"), "unlink")
	ok(t, unix.Unlink(dir+"/l"), "unlink")
	fails(t, unix.ENOENT, unix.Connect(socket(t, unix.SOCK_STREAM).fd, &unix.SockaddrUnix{Name: dir + "/l"}), "connect")
	touch(t, dir+"/f", 0o666)
	fails(t, unix.ECONNREFUSED, unix.Connect(socket(t, unix.SOCK_STREAM).fd, &unix.SockaddrUnix{Name: dir + "/f"}), "connect to a file")
}

// receiveStep takes a descriptor from a socket and shares memory through it.
var receiveStep = newStep("receive a descriptor", func(p *process, arguments []string) {
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(firstInherited, make([]byte, 1), control, 0)
	ok(p, err, "recvmsg")
	messages, err := unix.ParseSocketControlMessage(control[:n])
	ok(p, err, "the control message")
	fds, err := unix.ParseUnixRights(&messages[0])
	ok(p, err, "the descriptors")
	f := adopt(p, fds[0])
	memory := f.share(p, page)
	sameBytes(p, memory[:5], []byte("given"), "what the sender wrote")
	copy(memory, "taken")
	f.write(p, int64(page), []byte("and grown"))
})

func pass(t *testing.T, f *file, who identity) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	ok(t, err, "socketpair")
	here, there := adopt(t, fds[0]), adopt(t, fds[1])
	receiver := receiveStep.start(t, who, []*file{there})
	ok(t, unix.Sendmsg(here.fd, []byte("x"), unix.UnixRights(f.fd), nil, 0), "sendmsg")
	receiver.wait(t)
}

func specialPassing(t *testing.T, dir string) {
	f := open(t, dir+"/f", unix.O_RDWR|unix.O_CREAT, 0o600)
	f.truncate(t, int64(page))
	memory := f.share(t, page)
	copy(memory, "given")
	pass(t, f, alice) // who could not open it
	sameBytes(t, memory[:5], []byte("taken"), "the memory after the receiver ended")
	equal(t, f.stat(t).Size, int64(page+9), "st_size after the receiver grew it")
}

func specialPassingUnlinked(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", append([]byte("given"), make([]byte, page-5)...))
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	pass(t, f, alice)
	sameBytes(t, f.read(t, 0, 5), []byte("taken"), "what the receiver stored")
}
