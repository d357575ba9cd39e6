package meter

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"golang.org/x/sys/unix"
)

func TestKinds(t *testing.T) {
	names := make(map[string]bool)
	for kind := range kinds {
		if KindOf(uint32(kind)) == Unknown {
			continue
		}
		if name := kind.String(); names[name] || name != strings.ToLower(name) {
			t.Errorf("%d is called %q", kind, name)
		} else {
			names[name] = true
		}
	}
	for opcode, want := range map[uint32]string{0: "unknown", 7: "unknown", 19: "unknown", 1: "lookup", 42: "batch_forget", 52: "statx", 53: "unknown", 1 << 31: "unknown"} {
		if got := KindOf(opcode).String(); got != want {
			t.Errorf("%d is %q, want %q", opcode, got, want)
		}
	}
	if got := Kind(200).String(); got != "unknown" {
		t.Errorf("200 is %q", got)
	}
}

func TestBucketsFollowEachOther(t *testing.T) {
	end := uint64(0)
	for bucket := range buckets {
		from, to := bounds(bucket)
		if from != end || bucketOf(from) != bucket || bucketOf(to-1) != bucket {
			t.Fatalf("bucket %d is from %d to %d, after %d; its ends are in %d and %d", bucket, from, to, end, bucketOf(from), bucketOf(to-1))
		}
		if middle := from + (to-1-from)/2; float64(to-1-middle) > 0.07*float64(to-1) || float64(middle-from) > 0.07*float64(from) {
			t.Errorf("bucket %d is from %d to %d, which is too wide", bucket, from, to)
		}
		end = to
	}
	if end != 1<<longestBits || bucketOf(end) != buckets-1 || bucketOf(1<<63) != buckets-1 {
		t.Errorf("they end at %d, behind which is bucket %d", end, bucketOf(end))
	}
}

func TestQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"even":  func() time.Duration { return time.Duration(random.Int64N(int64(time.Second))) },
		"tail":  func() time.Duration { return time.Duration(1000 * (1 + random.ExpFloat64()*random.ExpFloat64()*100)) },
		"same":  func() time.Duration { return 12345 },
		"small": func() time.Duration { return time.Duration(random.Int64N(20)) },
	} {
		m := New()
		all := make([]time.Duration, 10_000)
		for i := range all {
			all[i] = draw()
			m.Count(Lookup, 0, all[i])
		}
		slices.Sort(all)
		one := m.Snapshot().Kinds[0]
		for _, c := range []struct {
			got  time.Duration
			rank int
		}{{one.P50, 5000}, {one.P90, 9000}, {one.P99, 9900}} {
			if want := all[c.rank-1]; c.got < want*93/100-1 || c.got > want*107/100+1 {
				t.Errorf("%s: the %d. is %v, want %v", name, c.rank, c.got, want)
			}
		}
		if one.Max != all[len(all)-1] {
			t.Errorf("%s: the longest is %v, want %v", name, one.Max, all[len(all)-1])
		}
	}
}

func example() *Meter {
	m := New()
	m.Count(Lookup, 0, 12*time.Microsecond)
	m.Count(Lookup, unix.ENOENT, 12*time.Microsecond)
	m.Count(Lookup, unix.ENOENT, -1)
	m.Count(Lookup, 134, 0)
	m.Count(Lookup, 41, 0) // which no error has
	m.Count(Create, unix.ENOSPC, 3*time.Second)
	m.Count(Lookup, unix.EACCES, 100*time.Hour)
	m.Begin()
	return m
}

func TestText(t *testing.T) {
	s := example().Snapshot()
	const want = `requests: 7
requests-create: 1
requests-lookup: 6
errors-create-ENOSPC: 1
errors-lookup-EACCES: 1
errors-lookup-ENOENT: 2
errors-lookup-other: 2
latency-create-p50-seconds: 3
latency-create-p90-seconds: 3
latency-create-p99-seconds: 3
latency-create-max-seconds: 3
latency-lookup-p50-seconds: 0
latency-lookup-p90-seconds: 360000
latency-lookup-p99-seconds: 360000
latency-lookup-max-seconds: 360000
`
	if got := string(s.AppendTo(nil)); got != want {
		t.Errorf("got\n%s", got)
	}
	if s.Underway != 1 {
		t.Errorf("%d under way", s.Underway)
	}
}

func TestBeginAndDone(t *testing.T) {
	m := New()
	start := time.Now()
	began := m.Begin()
	m.Begin()
	m.Leave()
	m.Done(Read, unix.EAGAIN, began)
	s := m.Snapshot()
	if s.Underway != 0 || s.Total != 1 || s.Kinds[0].Max > time.Since(start) || s.Kinds[0].Errors[0] != (ErrorCount{"EAGAIN", 1}) {
		t.Errorf("%+v", s)
	}
}

func TestNothingIsLost(t *testing.T) {
	const goroutines, each = 8, 20_000
	m := New()
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			for j := range each {
				m.Done(Kind(1+i%2), unix.Errno(j%2*2), m.Begin())
				if j%1000 == 0 {
					m.Snapshot()
				}
			}
		})
	}
	all.Wait()
	s := m.Snapshot()
	if s.Total != goroutines*each || s.Underway != 0 || len(s.Kinds) != 1 && len(s.Kinds) != 2 {
		t.Errorf("%d requests, %d under way", s.Total, s.Underway)
	}
	for _, one := range s.Kinds {
		if one.Count != s.Total/2 || one.Errors[0].Count != one.Count/2 {
			t.Errorf("%s: %d, errors %v", one.Kind, one.Count, one.Errors)
		}
	}
}

func registry(t *testing.T, m *Meter) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(Collector{m}); err != nil {
		t.Fatal(err)
	}
	return registry
}

func TestMetrics(t *testing.T) {
	text, err := Text(registry(t, example()))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"# TYPE shmfs_requests_total counter", `shmfs_requests_total{kind="lookup"} 6`, `shmfs_requests_total{kind="create"} 1`,
		`shmfs_request_errors_total{errno="ENOENT",kind="lookup"} 2`, `shmfs_request_errors_total{errno="other",kind="lookup"} 2`,
		"# TYPE shmfs_request_duration_seconds histogram", `shmfs_request_duration_seconds_bucket{kind="lookup",le="1.024e-06"} 3`,
		`shmfs_request_duration_seconds_bucket{kind="lookup",le="1.6384e-05"} 5`,
		`shmfs_request_duration_seconds_bucket{kind="lookup",le="68.719476736"} 5`,
		`shmfs_request_duration_seconds_bucket{kind="lookup",le="+Inf"} 6`, `shmfs_request_duration_seconds_count{kind="create"} 1`,
		`shmfs_request_duration_seconds_sum{kind="create"} 3`, "# TYPE shmfs_requests_in_flight gauge", "shmfs_requests_in_flight 1",
	} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("there is no line %s in\n%s", line, text)
		}
	}
}

func TestMetricsAreInOrder(t *testing.T) {
	r := registry(t, example())
	problems, err := testutil.GatherAndLint(r)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	text, err := Text(r)
	if err != nil {
		t.Fatal(err)
	}
	if problems, err = promlint.New(strings.NewReader(string(text))).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("the text: %v, %v", problems, err)
	}
}

func BenchmarkRequest(b *testing.B) {
	m := New()
	b.ReportAllocs()
	for b.Loop() {
		m.Done(Lookup, 0, m.Begin())
	}
}

func BenchmarkRequestParallel(b *testing.B) {
	m := New()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.Done(Lookup, unix.ENOENT, m.Begin())
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	m := New()
	for kind := range kinds {
		m.Count(kind, unix.ENOENT, time.Millisecond)
	}
	for b.Loop() {
		m.Snapshot()
	}
}
