package layout

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shmfs/fs/rights"
	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// unit is the service of systemd's that has a mount.
const unit = "packaging/systemd/shmfs@.service"

// capabilities are those that the unit may name, by their names there.
var capabilities = map[string]int{
	"CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_DAC_READ_SEARCH": unix.CAP_DAC_READ_SEARCH, "CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE,
	"CAP_FOWNER": unix.CAP_FOWNER, "CAP_CHOWN": unix.CAP_CHOWN, "CAP_FSETID": unix.CAP_FSETID, "CAP_SETFCAP": unix.CAP_SETFCAP,
	"CAP_MKNOD": unix.CAP_MKNOD, "CAP_LEASE": unix.CAP_LEASE, "CAP_SETUID": unix.CAP_SETUID, "CAP_SETGID": unix.CAP_SETGID,
	"CAP_SYS_PTRACE": unix.CAP_SYS_PTRACE, "CAP_SETPCAP": unix.CAP_SETPCAP, "CAP_KILL": unix.CAP_KILL,
	"CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE, "CAP_NET_RAW": unix.CAP_NET_RAW, "CAP_SYS_CHROOT": unix.CAP_SYS_CHROOT,
	"CAP_AUDIT_WRITE": unix.CAP_AUDIT_WRITE,
}

// ownNamespace are settings with which the mount would be seen by the service alone; the last would keep clients from setting setuid.
var ownNamespace = []string{
	"PrivateTmp", "PrivateDevices", "PrivateMounts", "PrivateUsers", "PrivateIPC", "ProtectSystem", "ProtectHome", "ProtectKernelTunables",
	"ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectHostname", "ProtectProc", "ProcSubset", "ReadOnlyPaths",
	"ReadWritePaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "RootDirectory",
	"RootImage", "MountAPIVFS", "MountFlags", "DynamicUser", "RestrictSUIDSGID",
}

// TestServiceUnit has systemd read the unit, and compares it with what the daemon needs.
func TestServiceUnit(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(rig.Root(), unit))
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, is := strings.Cut(strings.TrimSpace(line), "="); is && !strings.HasPrefix(key, "#") {
			settings[key] = append(settings[key], value)
		}
	}
	var kept rights.Set
	for _, name := range strings.Fields(strings.Join(settings["CapabilityBoundingSet"], " ")) {
		number, known := capabilities[name]
		if !known {
			t.Errorf("%s is not for a mount: %v are", name, slices.Sorted(maps.Keys(capabilities)))
		}
		kept |= rights.Of(number)
	}
	if kept != rights.Serving {
		t.Errorf("the unit keeps the capabilities %#x, the daemon %#x", uint64(kept), uint64(rights.Serving))
	}
	for _, name := range ownNamespace {
		if settings[name] != nil {
			t.Errorf("%s= must not be set", name)
		}
	}
	for key, want := range map[string]string{
		"NoNewPrivileges": "yes", "DevicePolicy": "closed", "SystemCallArchitectures": "native", "KillMode": "mixed",
		"NotifyAccess": "all", "FileDescriptorStoreMax": "1000", "RestartKillSignal": "SIGUSR2", "RestartForceExitStatus": "75",
		"SuccessExitStatus": "75", "Restart": "on-failure", "StartLimitIntervalSec": "0", "RestartPreventExitStatus": "2 3 4 5 6",
		"TimeoutStartSec": "infinity", "OOMPolicy": "continue", "TasksMax": "infinity",
	} {
		if !slices.Equal(settings[key], []string{want}) {
			t.Errorf("%s is %q, want %q", key, settings[key], want)
		}
	}
	requireSystemdReads(t, string(text))
}

// requireSystemdReads fails the test if systemd has anything to say of the unit, with the program in its place.
func requireSystemdReads(t *testing.T, text string) {
	t.Helper()
	const installed = "/usr/bin/shmfs "
	if !strings.Contains(text, "\nExecStart="+installed) {
		t.Errorf("the unit does not start %s", installed)
	}
	directory := t.TempDir()
	text = strings.ReplaceAll(text, installed, rig.Binary(t)+" ")
	if err := os.WriteFile(filepath.Join(directory, filepath.Base(unit)), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	instance := filepath.Join(directory, strings.Replace(filepath.Base(unit), "@", "@mnt-shared", 1))
	ended := rig.Run(t, "", time.Minute, exec.Command(rig.Program(t, "systemd-analyze"), "verify", "--man=no", instance))[0]
	if said := ended.Stdout + ended.Stderr; ended.Err != nil || strings.Contains(said, "shmfs") {
		t.Errorf("systemd-analyze verify: %v\n%s", ended.Err, said)
	}
}
