package inspection

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"
)

// TestMetrics has the metrics read by Prometheus's own parser and checked by its own rules.
func TestMetrics(t *testing.T) {
	inEach(t, places, func(t *testing.T, mount string) {
		create(t, filepath.Join(mount, "a"), "some bytes")
		create(t, filepath.Join(mount, "sem.x"), "3")
		requireError(t, "looking for nothing", unix.Lstat(filepath.Join(mount, "nothing"), &unix.Stat_t{}), unix.ENOENT)
		content := text(t, mount, "metrics")
		names := metricNames(t, content)
		for _, want := range []string{"shmfs_info", "shmfs_objects", "shmfs_semaphores", "shmfs_charged_bytes", "shmfs_resident_bytes", "shmfs_requests_total",
			"shmfs_request_errors_total", "shmfs_request_duration_seconds", "shmfs_events_total", "process_resident_memory_bytes"} {
			if !slices.Contains(names, want) {
				t.Errorf("there is no metric %s in %q", want, names)
			}
		}
		problems, err := promlint.New(strings.NewReader(content)).Lint()
		must(t, err)
		for _, problem := range problems {
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
		for _, line := range []string{"shmfs_objects 2", "shmfs_semaphores 1", "shmfs_directories 0"} {
			if !strings.Contains(content, line+"\n") {
				t.Errorf("the metrics lack %q", line)
			}
		}
	})
}

// metricNames parses metrics and returns the names, sorted.
func metricNames(t *testing.T, content string) []string {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(content))
	must(t, err)
	var names []string
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestMetricsOverHTTP serves a mount's metrics, as long as it lasts, and has a second mount refused that wants the same address.
func TestMetricsOverHTTP(t *testing.T) {
	address := freeAddress(t)
	place := t.TempDir()
	_, port, err := net.SplitHostPort(address)
	must(t, err)
	mountWithMetrics(t, place, ":"+port) // without a host it is the loopback interface
	unmounted := false
	t.Cleanup(func() {
		if !unmounted {
			_ = exec.Command(rig.Binary(t), "umount", place).Run()
		}
	})
	served := metricNames(t, get(t, address))
	if read := metricNames(t, text(t, place, "metrics")); !slices.Equal(read, served) {
		t.Errorf("served are %q, and the file has %q", served, read)
	}
	requireLoopback(t, port)

	second := t.TempDir()
	output, err := exec.Command(rig.Binary(t), "mount", "--metrics-listen", address, second).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "--metrics-listen") || !strings.Contains(string(output), "address already in use") ||
		strings.Count(strings.TrimSpace(string(output)), "\n") != 0 {
		t.Errorf("a second mount with the same address: %v, %q", err, output)
	}
	if table, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(table), " "+second+" ") {
		t.Errorf("the second mount has left something mounted: %v", err)
		_ = unix.Unmount(second, unix.MNT_DETACH)
	}
	output, err = exec.Command(rig.Binary(t), "umount", place).CombinedOutput()
	if err != nil {
		t.Fatalf("umount: %v, %s", err, output)
	}
	unmounted = true
	eventually(t, "nobody listens any more", func() bool {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = connection.Close()
		}
		return err != nil
	})
}

// freeAddress is an address on the loopback interface where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func mountWithMetrics(t *testing.T, place, address string) {
	t.Helper()
	if output, err := exec.Command(rig.Binary(t), "mount", "--metrics-listen", address, place).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v, %s", err, output)
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	client := http.Client{Timeout: patience}
	response, err := client.Get(fmt.Sprintf("http://%s/metrics", address))
	must(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	must(t, err)
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("the answer has status %s, type %q", response.Status, kind)
	}
	return string(content)
}

// requireLoopback fails the test unless a port is listened on by the loopback interface alone.
func requireLoopback(t *testing.T, port string) {
	t.Helper()
	interfaces, err := net.InterfaceAddrs()
	must(t, err)
	for _, one := range interfaces {
		address, is := one.(*net.IPNet)
		if !is || address.IP.IsLoopback() || address.IP.IsLinkLocalUnicast() {
			continue
		}
		if connection, err := net.DialTimeout("tcp", net.JoinHostPort(address.IP.String(), port), time.Second); err == nil {
			_ = connection.Close()
			t.Errorf("%s answers on port %s", address.IP, port)
		}
	}
}
