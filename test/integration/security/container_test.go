package security

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// TestContainer has ann be root of a container, with user, mount and process namespaces of its own, into which the mount and a directory of it are
// bound.
func TestContainer(t *testing.T) {
	inEachMode(t, func(t *testing.T, options string) {
		mount := rig.Shmfs(t, options)
		create(t, mount+"/anns", ann, 0o600)
		create(t, mount+"/bens", ben, 0o600)
		semaphore(t, mount+"/sem.private", ben, 0o600)
		must(t, os.Mkdir(mount+"/shared", 0o755))
		must(t, os.Mkdir(mount+"/closed", 0o700))
		create(t, mount+"/shared/theirs", ann, 0o644)
		create(t, mount+"/closed/secret", ben, 0o644)
		must(t, unix.Setxattr(mount+"/anns", "trusted.secret", []byte("x"), 0))
		bens := holder(t, ben, mount+"/bens")

		inside := publicDirectory(t)
		for _, name := range []string{"whole", "part"} {
			must(t, os.Mkdir(filepath.Join(inside, name), 0o755))
		}
		command := part("contained", mount, inside, strconv.Itoa(bens), handleOf(t, mount+"/closed/secret"), handleOf(t, mount+"/bens"))
		command.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
			Credential:  &syscall.Credential{NoSetGroups: true},
			UidMappings: []syscall.SysProcIDMap{{HostID: ann, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: ann, Size: 1}},
		}
		requirePart(t, mount, command)
		if content, err := os.ReadFile(mount + "/bens"); err != nil || string(content) != "bens\n" {
			t.Errorf("ben's file holds %q, %v", content, err)
		}
	})
}

// handleOf is a file's handle as a text.
func handleOf(t *testing.T, path string) string {
	t.Helper()
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
	must(t, err)
	return fmt.Sprintf("%d:%x", handle.Type(), handle.Bytes())
}

func openHandle(directory, text string) error {
	kind, content, _ := strings.Cut(text, ":")
	number, err := strconv.Atoi(kind)
	if err != nil {
		return err
	}
	var bytes []byte
	if _, err := fmt.Sscanf(content, "%x", &bytes); err != nil {
		return err
	}
	root, err := unix.Open(directory, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	descriptor, err := unix.OpenByHandleAt(root, unix.NewFileHandle(int32(number), bytes), unix.O_RDONLY)
	if err == nil {
		_ = unix.Close(descriptor)
	}
	return err
}

// trial is something that is tried, and how it is to end.
type trial struct {
	what string
	err  error
	want []error // one of these; none: it succeeds
}

// failures returns the trials that ended otherwise.
func failures(trials []trial) []string {
	var wrong []string
	for _, one := range trials {
		fits := len(one.want) == 0 && one.err == nil
		for _, want := range one.want {
			fits = fits || errors.Is(one.err, want)
		}
		if !fits {
			wrong = append(wrong, fmt.Sprintf("%s: %v, want %v", one.what, one.err, one.want))
		}
	}
	return wrong
}

// contained is the life of root of the container.
func contained(arguments []string) []string {
	mount, whole, partly := arguments[0], arguments[1]+"/whole", arguments[1]+"/part"
	setup := []trial{
		{"keeping mounts to the container", unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), nil},
		{"binding the mount", unix.Mount(mount, whole, "", unix.MS_BIND, ""), nil},
		{"binding a directory of it", unix.Mount(mount+"/shared", partly, "", unix.MS_BIND, ""), nil},
	}
	if wrong := failures(setup); wrong != nil {
		return wrong
	}
	read := func(path string) error { _, err := os.ReadFile(path); return err }
	get := func(path, name string) error { _, err := unix.Getxattr(path, name, make([]byte, 100)); return err }
	refused := []error{unix.EPERM, unix.EACCES}
	unreachable := []error{unix.EPERM, unix.EACCES, unix.ESTALE}
	wrong := failures([]trial{
		{"reading its own file", read(whole + "/anns"), nil},
		{"reading another's", read(whole + "/bens"), refused},
		{"writing another's", os.WriteFile(whole+"/bens", []byte("taken"), 0), refused},
		{"removing another's", os.Remove(whole + "/bens"), refused},
		{"changing another's mode", os.Chmod(whole+"/bens", 0o666), refused},
		{"taking another's", os.Chown(whole+"/bens", 0, 0), refused},
		{"reading a closed directory", read(whole + "/closed/secret"), refused},
		{"reading another's semaphore", read(whole + "/sem.private"), refused},
		{"reading about what is in a closed directory", read(whole + "/.shmfs/object/closed/secret"), refused},
		{"making a device", unix.Mknod(whole+"/device", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), refused},
		{"asking the daemon's options", get(whole, "trusted.shmfs.options"), []error{unix.ENODATA, unix.EPERM}},
		{"changing them", unix.Setxattr(whole, "trusted.shmfs.options", []byte("size=1M"), 0), refused},
		{"reading a trusted attribute", get(whole+"/anns", "trusted.secret"), []error{unix.ENODATA, unix.EPERM}},
		{"opening a closed file by handle", openHandle(whole, arguments[3]), unreachable},
		{"opening another's file by handle", openHandle(whole, arguments[4]), unreachable},
		{"opening a file outside the directory by handle", openHandle(partly, arguments[3]), unreachable},
		{"remounting", unix.Mount("", whole, "", unix.MS_REMOUNT, ""), refused},
		{"allowing devices and setuid", unix.Mount("", whole, "", unix.MS_REMOUNT|unix.MS_BIND, ""), refused},
		{"reading what is in the bound directory", read(partly + "/theirs"), nil},
		{"the daemon's tree in the bound directory", read(partly + "/.shmfs/stats"), []error{unix.ENOENT}},
		{"what lies beside the bound directory", read(partly + "/../bens"), []error{unix.ENOENT}},
		{"changing the daemon's tree", os.WriteFile(whole+"/.shmfs/stats", nil, 0o600), append(refused, unix.EROFS)},
	})
	return append(wrong, shown(whole, arguments[2])...)
}

// shown looks for what a container must not be told.
func shown(whole, process string) (wrong []string) {
	for _, name := range []string{"maps", "handles", "objects", "semaphores"} {
		text, err := os.ReadFile(whole + "/.shmfs/" + name)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			for _, field := range fields {
				if name != "objects" && field == process || strings.Contains(field, "secret") {
					wrong = append(wrong, fmt.Sprintf("%s shows %q", name, line))
				}
			}
			if name == "semaphores" && fields[0] == "private" && (fields[1] != "-" || fields[6] != "unreadable") {
				wrong = append(wrong, fmt.Sprintf("%s shows %q", name, line))
			}
		}
	}
	names := make([]byte, 1000)
	if n, err := unix.Listxattr(whole+"/anns", names); err != nil || strings.Contains(string(names[:n]), "trusted.") {
		wrong = append(wrong, fmt.Sprintf("the attributes are %q, %v", names[:max(n, 0)], err))
	}
	return wrong
}
