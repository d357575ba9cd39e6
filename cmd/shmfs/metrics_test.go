package main

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

func TestMetricsAddresses(t *testing.T) {
	for address, want := range map[string]string{
		":9464":           "127.0.0.1:9464", // nobody else's unless told otherwise
		":0":              "127.0.0.1:0",
		"127.0.0.1:9464":  "127.0.0.1:9464",
		"localhost:9464":  "localhost:9464",
		"0.0.0.0:9464":    "0.0.0.0:9464",
		"[::1]:9464":      "[::1]:9464",
		"[::]:65535":      "[::]:65535",
		"[fe80::1%lo]:80": "[fe80::1%lo]:80",
		"host.example:80": "host.example:80",
	} {
		if got, err := checkMetricsAddress(address); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", address, got, err, want)
		}
	}
}

func TestWhatIsNoMetricsAddress(t *testing.T) {
	for _, address := range []string{
		"9464", ":", "127.0.0.1", "127.0.0.1:", "::1", "::1:9464", "[::1]", "[::1]9464", ":65536", ":-1", ":no-such-service",
		"http://127.0.0.1:9464", ":9464/metrics", "a:b:c", "[", "]:1", " ",
	} {
		got, err := checkMetricsAddress(address)
		if err == nil || codeOf(err) != exitUsage {
			t.Errorf("%q is %q, %v, with exit code %d", address, got, err, codeOf(err))
			continue
		}
		if text := err.Error(); !strings.Contains(text, "--metrics-listen") || !strings.Contains(text, "[HOST]:PORT") {
			t.Errorf("%q: %s does not say what to give", address, text)
		}
	}
}

// The address is checked before anything is mounted, and a remount does not pass it over.
func TestMountChecksTheMetricsAddress(t *testing.T) {
	for _, arguments := range [][]string{
		{"mount", "--metrics-listen", "9464", "/nonexistent"},
		{"mount", "--metrics-listen", ":65536", "-o", "remount,size=1G", "/nonexistent"},
		{"mount", "--metrics-listen", ":9464", "-o", "remount,size=1G", "/nonexistent"},
	} {
		_, err := execute(arguments...)
		if err == nil || codeOf(err) != exitUsage || !strings.Contains(err.Error(), "--metrics-listen") {
			t.Errorf("%v: %v", arguments, err)
		}
	}
}

func TestHelpTellsOfMetrics(t *testing.T) {
	text, err := execute("help", "mount")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"--metrics-listen ADDRESS", "With --metrics-listen [HOST]:PORT", "http://HOST:PORT/metrics", ".shmfs/metrics",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the help does not say %q:\n%s", want, text)
		}
	}
}

// newMetricsServer serves one metric, on a port that the kernel chooses, until the test's end.
func newMetricsServer(t *testing.T) *metricsServer {
	t.Helper()
	address, err := checkMetricsAddress(":0")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	metric := prometheus.GaugeOpts{Name: "shmfs_test", Help: "A test."}
	registry.MustRegister(prometheus.NewGaugeFunc(metric, func() float64 { return 7 }))
	socket, err := listenForMetrics(address)
	if err != nil {
		t.Fatal(err)
	}
	server, err := serveMetrics(socket, registry, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return server
}

// ask makes a request and returns the answer's status and text.
func (s *metricsServer) ask(t *testing.T, method, path string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequest(method, "http://"+s.listener.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestMetricsAreServedOnTheLoopback(t *testing.T) {
	server := newMetricsServer(t)
	if address := server.listener.Addr().(*net.TCPAddr); !address.IP.IsLoopback() {
		t.Errorf("it listens on %v", address)
	}
	status, text := server.ask(t, http.MethodGet, "/metrics")
	if status != http.StatusOK || !strings.Contains(text, "\nshmfs_test 7\n") {
		t.Errorf("status %d:\n%s", status, text)
	}
	for _, other := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/metrics/more", http.StatusNotFound},
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/metrics", http.StatusMethodNotAllowed},
	} {
		if status, _ := server.ask(t, other.method, other.path); status != other.want {
			t.Errorf("%s %s: status %d, want %d", other.method, other.path, status, other.want)
		}
	}
}

func TestMetricsAddressThatIsTaken(t *testing.T) {
	server := newMetricsServer(t)
	second, err := listenForMetrics(server.listener.Addr().String())
	if err == nil {
		_ = unix.Close(second)
		t.Fatal("two listen on one address")
	}
	if !strings.Contains(err.Error(), "give another address") {
		t.Errorf("%v does not say what to do", err)
	}
}

func TestMetricsServerEnds(t *testing.T) {
	server := newMetricsServer(t)
	if err := server.close(); err != nil {
		t.Fatal(err)
	}
	connection, err := net.DialTimeout("tcp", server.listener.Addr().String(), time.Minute)
	if err == nil {
		_ = connection.Close()
		t.Error("it still listens")
	}
}

// TestMetricsConnectionsAreBounded has more clients connect than are served at a time: the others wait, and are served when there is a place.
func TestMetricsConnectionsAreBounded(t *testing.T) {
	socket, err := listenForMetrics("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served, err := serveMetrics(socket, prometheus.NewRegistry(), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := served.close(); err != nil {
			t.Error(err)
		}
	}()
	const tooMany = 5
	var all []net.Conn
	for range mostReaders + tooMany {
		connection, err := net.Dial("tcp", served.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		all = append(all, connection)
	}
	last := all[len(all)-1]
	if _, err := last.Write([]byte("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	bounded := served.listener.(*boundedListener)
	for deadline := time.Now().Add(time.Minute); len(bounded.places) < mostReaders; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("only %d are let in", len(bounded.places))
		}
	}
	for _, connection := range all[:tooMany] {
		if err := connection.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := last.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	if n, err := last.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200") {
		t.Errorf("who waited for a place is answered %q, %v", answer[:n], err)
	}
}
