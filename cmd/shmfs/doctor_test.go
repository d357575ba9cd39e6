package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"shmfs/fs/table"
)

// requireFindings looks for one finding of the level with all the words, in its text or remedy, and no other.
func requireFindings(t *testing.T, got []finding, wanted level, words ...string) {
	t.Helper()
	if len(got) != 1 || got[0].level != wanted {
		t.Errorf("it finds %+v, want one of level %s", got, wanted)
		return
	}
	for _, word := range words {
		if !strings.Contains(got[0].text+"\n"+got[0].remedy, word) {
			t.Errorf("%+v does not say %q", got[0], word)
		}
	}
	if got[0].level == warning && got[0].remedy == "" {
		t.Errorf("%+v has no remedy", got[0])
	}
}

func compressed(t *testing.T, text string) string {
	t.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.String()
}

func TestDoctorKernel(t *testing.T) {
	const release, config = "proc/sys/kernel/osrelease", "boot/config-6.9.1-x"
	for _, c := range []struct {
		files map[string]string
		level level
		words string
	}{
		{map[string]string{release: "5.10.0-arch\n"}, note, "too old"},
		{map[string]string{release: "6.8.12\n"}, note, "too old"},
		{map[string]string{release: "6.9.1-x\n"}, fine, "cannot be read"},
		{map[string]string{release: "7.0-rc1\n"}, fine, "new enough"},
		{map[string]string{release: "6.9.1-x\n", config: "CONFIG_FUSE_FS=y\nCONFIG_FUSE_PASSTHROUGH=y\n"}, fine, "offers passthrough"},
		{map[string]string{release: "6.9.1-x\n", config: "CONFIG_FUSE_FS=y\n# CONFIG_FUSE_PASSTHROUGH is not set\n"}, note, "built without"},
		{map[string]string{release: "6.18.1\n", "proc/config.gz": compressed(t, "CONFIG_FUSE_PASSTHROUGH=y\n")}, fine, "offers passthrough"},
		{map[string]string{release: "6.18.1\n", "proc/config.gz": "no gzip"}, fine, "cannot be read"},
		{map[string]string{release: "what\n"}, note, "no version"},
	} {
		requireFindings(t, (&patient{root: fakeMount(t, c.files)}).examineKernel(), c.level, c.words)
	}
}

func TestDoctorMode(t *testing.T) {
	for _, c := range []struct {
		stats string
		level level
		words []string
	}{
		{"mode: passthrough\n", fine, []string{"/mnt", "passthrough"}},
		{"mode: cached\nmode-reason: switched off by option\n", note, []string{"cached mode: switched off", "without passthrough=off"}},
		{"mode: cached\nmode-reason: it needs CAP_SYS_ADMIN\n", note, []string{"as root, outside"}},
		{"mode: cached\nmode-reason: the kernel does not offer it\n", note, []string{"Linux 6.9"}},
		{"", warning, []string{"does not tell"}},
	} {
		requireFindings(t, (&patient{mount: "/mnt", stats: parseKeyValues([]byte(c.stats))}).examineMode(), c.level, c.words...)
	}
	other := (&patient{mount: "/mnt", stats: parseKeyValues([]byte("mode: passthrough\nversion: v0.0.1-other\n"))}).examineMode()
	requireFindings(t, other[1:], note, "v0.0.1-other")
}

func TestDoctorLimits(t *testing.T) {
	const machine = "MemTotal:        1048576 kB\nMemFree: 3 kB\nSwapTotal:       1048576 kB\n"
	for _, c := range []struct {
		stats string
		level level
		words []string
	}{
		{"bytes-limit: 1073741824\nbytes-charged: 536870912\n", fine, []string{"50% of the mount's 1G"}},
		{"bytes-limit: 1073741824\nbytes-charged: 1000000000\n", warning, []string{"93%", "gc --dry-run"}},
		{"bytes-limit: 0\n", note, []string{"no limit", "remount,size=SIZE /mnt"}},
		{"bytes-limit: 4294967296\n", warning, []string{"4G", "2G", "OOM killer"}},
		{"bytes-limit: 1610612736\npid: 77\n", warning, []string{"1.5G", "cgroup allows, 1.2G"}},
	} {
		p := &patient{mount: "/mnt", stats: parseKeyValues([]byte("store: tmpfs\n" + c.stats)), root: fakeMount(t, map[string]string{
			"proc/meminfo": machine, "proc/77/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
			"sys/fs/cgroup/a/memory.max": "1288490188\n", "proc/sys/vm/overcommit_memory": "0\n",
		})}
		requireFindings(t, p.examineLimits(), c.level, c.words...)
	}
	disk := &patient{stats: parseKeyValues([]byte("store: /var/objects\nbytes-limit: 0\ninodes-used: 95\ninodes-limit: 100\n")),
		root: fakeMount(t, map[string]string{"proc/sys/vm/overcommit_memory": "2\n"})}
	findings := disk.examineLimits()
	if len(findings) != 3 {
		t.Fatalf("%+v", findings)
	}
	requireFindings(t, findings[:1], fine, "store")
	requireFindings(t, findings[1:2], warning, "95%", "nr_inodes")
	requireFindings(t, findings[2:], note, "overcommit")
}

func TestDoctorOpenFiles(t *testing.T) {
	for limit, c := range map[string]struct {
		level level
		words string
	}{"1048576": {fine, "3 files open of 1048576"}, "1024": {note, "only 1024"}, "3": {warning, "LimitNOFILE"}} {
		p := &patient{stats: parseKeyValues([]byte("pid: 77\nhandles: 3\n")), root: fakeMount(t, map[string]string{
			"proc/77/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
				"Max open files            " + limit + "              1048576              files     \n"})}
		requireFindings(t, p.examineOpenFiles(), c.level, c.words)
	}
	if findings := (&patient{root: t.TempDir()}).examineOpenFiles(); findings != nil {
		t.Errorf("of another user's daemon it finds %+v", findings)
	}
}

func TestDoctorSharedMemory(t *testing.T) {
	at := func(point, filesystem string) []finding {
		return judgeSharedMemory(mountpoint{path: sharedMemory, mount: mount{point: point, filesystem: filesystem}})
	}
	requireFindings(t, at(sharedMemory, "tmpfs"), fine, "tmpfs")
	requireFindings(t, at(sharedMemory, filesystemType), fine, "shmfs")
	requireFindings(t, at(sharedMemory, "ext4"), warning, "ext4")
	requireFindings(t, at("/", "ext4"), warning, "plain directory")
}

func TestDoctorGlibc(t *testing.T) {
	for _, c := range []struct {
		version string
		shmfs   bool
		level   level
	}{{"2.34", true, fine}, {"2.41", false, fine}, {"3.0", true, fine}, {"2.33", true, warning}, {"2.31", false, note}, {"", true, note}} {
		if got := judgeGlibc(c.version, c.shmfs); got.level != c.level {
			t.Errorf("glibc %q: %+v", c.version, got)
		}
	}
}

const doctorSemaphores = `NAME    VALUE WAITERS HELD LAYOUT INITIAL STATE   MODE UID GID CREATED
broken      -       -    0 -            - invalid 0644   0   0 2026-11-29T10:22:11.000000000Z
jobs        3       0    0 glibc        3 ok      0644   0   0 2026-11-29T10:22:11.000000000Z
stuck       0       2    0 glibc        1 ok      0644   0   0 2026-11-29T10:22:11.000000000Z
waiting     0       1    0 glibc        1 ok      0644   0   0 2026-11-29T10:22:11.000000000Z
`

func TestDoctorSemaphores(t *testing.T) {
	p := &patient{mount: fakeMount(t, map[string]string{
		".shmfs/semaphores": doctorSemaphores,
		"sem.stuck":         "value: 0\nwaiters: 2\nstate: ok\nstuck: yes\n", "sem.waiting": "value: 0\nwaiters: 1\nstate: ok\nstuck: no\n",
	})}
	findings := p.examineSemaphores()
	if len(findings) != 2 {
		t.Fatalf("%+v", findings)
	}
	requireFindings(t, findings[:1], warning, `"broken"`, "shmfs sem rm broken")
	requireFindings(t, findings[1:], warning, `"stuck"`, "2 wait", "shmfs sem reset stuck")
	heading, _, _ := strings.Cut(doctorSemaphores, "\n")
	healthy := &patient{mount: fakeMount(t, map[string]string{".shmfs/semaphores": heading + "\n"})}
	requireFindings(t, healthy.examineSemaphores(), fine, "0 semaphores")
	requireFindings(t, (&patient{mount: t.TempDir()}).examineSemaphores(), warning, "mounted by a daemon of this version")
}

func TestDoctorTemporaries(t *testing.T) {
	parse := func(text string) *table.Parsed {
		parsed, err := table.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	objects := parse(`NAME       OPENS MODIFIED
abcdef     0     2026-11-29T10:00:00Z
sem.abcdef 0     2026-11-29T10:00:00Z
sem.broken 0     2026-11-29T10:00:00Z
sem.fresh1 0     2026-11-29T10:59:30Z
sem.opened 1     2026-11-29T10:00:00Z
`)
	now := time.Date(2026, 11, 29, 11, 0, 0, 0, time.UTC)
	old := oldTemporaries(objects, parse(doctorSemaphores), now)
	requireFindings(t, judgeTemporaries(old), warning, "1 temporary files", "shmfs rm sem.abcdef")
	if findings := judgeTemporaries(nil); findings != nil {
		t.Errorf("of none it finds %+v", findings)
	}
}

func TestDoctorLeftovers(t *testing.T) {
	p := &patient{mount: gcMount(t)}
	unused, err := findUnused(p.mount, nil)
	if err != nil {
		t.Fatal(err)
	}
	requireFindings(t, p.judgeUnused(unused), note, "1 of 4 objects", `"a"`, "gc --dry-run")
	if findings := p.judgeUnused(nil); findings != nil {
		t.Errorf("of nothing it finds %+v", findings)
	}
}

func TestFindingsAreWritten(t *testing.T) {
	findings := []finding{{fine, "kernel", "all is \x1b[31mwell", ""}, {warning, "mode", "nothing goes", "do\nit"},
		findingOf("mount", failure(exitNotMounted, "the daemon: on /mnt: mount it again")), findingOf("other", errors.New("a: b"))}
	var output bytes.Buffer
	if err := writeFindings(&output, findings, false); err != nil {
		t.Fatal(err)
	}
	requireText(t, output.String(), `ok       kernel      all is \x1b[31mwell
warning  mode        nothing goes
                     remedy: do\nit
warning  mount       the daemon: on /mnt
                     remedy: mount it again
warning  other       a: b
`)
	output.Reset()
	if err := writeFindings(&output, findings[:2], true); err != nil {
		t.Fatal(err)
	}
	requireText(t, output.String(), `[{"level":"ok","topic":"kernel","text":"all is \u001b[31mwell","remedy":""},
{"level":"warning","topic":"mode","text":"nothing goes","remedy":"do\nit"}]
`)
	if !json.Valid(output.Bytes()) {
		t.Error("it is no JSON")
	}
	if verdict(findings[:1]) != nil || codeOf(verdict(findings)) != exitFailure || errorLine(verdict(findings)) != "" {
		t.Error("the exit code does not follow the warnings")
	}
}
