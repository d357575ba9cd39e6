package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"shmfs/fs"
	"shmfs/fs/keep"
)

// The service manager keeps copies of what a mount consists of, by name, and hands them to the service's next process, should all of this
// one's be gone: the mount goes on then (systemd.service(5), FileDescriptorStoreMax=). Whether it does so is its configuration's to say;
// what it will not keep it closes.

// Names of the descriptors that a service manager keeps.
const (
	storedDevice = "shmfs-device"
	storedStore  = "shmfs-store"
	storedRecord = "shmfs-record"
	storedNode   = "shmfs-node-" // a node's number follows
)

// toHold asks for a descriptor to be kept by a name. The service manager must not poll it: it would be woken for every request of the mount's.
func toHold(name string) string { return "FDSTORE=1\nFDPOLL=0\nFDNAME=" + name }

// hold has a descriptor kept by a name.
func (m *serviceManager) hold(name string, descriptor int) { m.send(toHold(name), descriptor) }

func (m *serviceManager) letGo(name string) { m.send("FDSTOREREMOVE=1\nFDNAME=" + name) }

// holdNodeAtOnce has a node's inode kept before it returns, if its share allows it. What it has received the service manager keeps, also when
// the sender is dead by the time it comes to it.
func (m *serviceManager) holdNodeAtOnce(node uint64, descriptor int) {
	if !m.present() || !m.nodes.take(node) {
		return
	}
	if err := m.sendNow(toHold(nodeName(node)), []int{descriptor}, atOnceLimit); err != nil {
		m.log.Warn("the service manager does not take an inode at once", "node", node, "error", err)
	}
}

func nodeName(node uint64) string { return storedNode + strconv.FormatUint(node, 10) }

// holdMount has a mount's descriptors kept.
func (m *serviceManager) holdMount(connection *fs.Connection) {
	m.hold(storedDevice, int(connection.Device.Fd()))
	m.hold(storedStore, int(connection.Store.Fd()))
	m.hold(storedRecord, int(connection.Record.Fd()))
}

// letGoMount ends the keeping of a mount that is over.
func (m *serviceManager) letGoMount() {
	for _, node := range m.nodes.giveAllBack() {
		m.letGo(nodeName(node))
	}
	for _, name := range []string{storedRecord, storedStore, storedDevice} {
		m.letGo(name)
	}
}

// follow has kept what a worker asks its supervisor to hold, and let go what it lets go.
func (m *serviceManager) follow(asked *keep.Message) {
	for i, node := range asked.Numbers {
		switch {
		case asked.Kind == keep.LetGo:
			if m.nodes.giveBack(node) {
				m.letGo(nodeName(node))
			}
		case asked.Kind == keep.Keep && i < len(asked.Files):
			if m.nodes.take(node) {
				m.hold(nodeName(node), asked.Files[i])
			}
		}
	}
}

// stored is what a service manager has kept and handed to this process.
type stored struct {
	connection fs.Connection
	nodes      keep.Message // of the kind Keep
}

// takeStored takes what a service manager has handed to this process; nil if that is no mount. Descriptors that are none of a mount's are
// closed.
func takeStored() *stored {
	s := &stored{nodes: keep.Message{Kind: keep.Keep}}
	files := activation.Files(true)
	for _, file := range files {
		switch node, of := strings.CutPrefix(file.Name(), storedNode); {
		case file.Name() == storedDevice:
			s.put(&s.connection.Device, file)
		case file.Name() == storedStore:
			s.put(&s.connection.Store, file)
		case file.Name() == storedRecord:
			s.put(&s.connection.Record, file)
		case of:
			s.putNode(node, file)
		default:
			_ = file.Close()
		}
	}
	if len(files) == 0 {
		return nil
	}
	return s
}

// handedOver says that a service manager has handed a mount to this process, which has not been taken.
func handedOver() bool {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(ownProcess) {
		return false
	}
	return slices.Contains(strings.Split(os.Getenv("LISTEN_FDNAMES"), ":"), storedDevice)
}

// put takes a descriptor; of several by one name it is the last.
func (s *stored) put(place **os.File, file *os.File) {
	if *place != nil {
		_ = (*place).Close()
	}
	*place = file
}

func (s *stored) putNode(text string, file *os.File) {
	defer file.Close()
	node, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return
	}
	if copies, err := duplicate(int(file.Fd())); err == nil {
		s.nodes.Numbers = append(s.nodes.Numbers, node)
		s.nodes.Files = append(s.nodes.Files, copies[0])
	}
}

// errOver says that what was kept is no mount any more.
var errOver = errors.New("it is over")

// hopeless says whether no process could go on with what was kept, for a reason that place gives.
func hopeless(reason error) bool {
	return errors.Is(reason, errOver) || errors.Is(reason, unix.EUCLEAN) || codeOf(reason) == exitMountpoint
}

// place finds out where the mount is that was kept. An error says why it cannot go on: errOver, EUCLEAN if its record is mangled,
// EPROTONOSUPPORT if this program cannot read it.
func (s *stored) place(path string) (mountpoint, fs.Options, error) {
	if s.connection.Device == nil || s.connection.Store == nil || s.connection.Record == nil {
		return mountpoint{}, fs.Options{}, fmt.Errorf("a part of it was not kept: %w", errOver)
	}
	if broken(int(s.connection.Device.Fd())) {
		return mountpoint{}, fs.Options{}, fmt.Errorf("its connection was ended: %w", errOver)
	}
	device, options, err := s.connection.Facts()
	if err != nil {
		return mountpoint{}, options, err
	}
	found, err := findMountpoint(path)
	if err != nil {
		return mountpoint{}, options, err
	}
	mounts, err := mountTable()
	if err != nil {
		return mountpoint{}, options, err
	}
	for _, entry := range mounts { // something else may cover it
		if entry.point == found.path && entry.filesystem == filesystemType && entry.device == device {
			found.mount = entry
			return found, options, nil
		}
	}
	return mountpoint{}, options, fmt.Errorf("it is not mounted on %s any more: %w", path, errOver)
}

func (s *stored) close() {
	_ = s.connection.Close()
	s.nodes.Close()
}
