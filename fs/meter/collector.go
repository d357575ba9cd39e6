package meter

import (
	"bytes"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// Buckets that Prometheus sees end at these powers of two of nanoseconds: 1 µs, 4 µs, … 69 s. It draws lines between them, and each of them is
// a series for every kind of request.
const firstPower, lastPower, powerStep = 10, 36, 2

var (
	requestsMetric = prometheus.NewDesc("shmfs_requests_total",
		"Requests from the kernel that were answered.", []string{"kind"}, nil)
	errorsMetric = prometheus.NewDesc("shmfs_request_errors_total",
		"Requests from the kernel that were answered with an error.", []string{"kind", "errno"}, nil)
	durationMetric = prometheus.NewDesc("shmfs_request_duration_seconds",
		"Time that it took to answer a request from the kernel, including the time that it was to wait.", []string{"kind"}, nil)
	underwayMetric = prometheus.NewDesc("shmfs_requests_in_flight",
		"Requests from the kernel that are being answered.", nil, nil)
)

// Collector hands what a meter counts to Prometheus's library. It may be used concurrently.
type Collector struct{ Meter *Meter }

// Describe sends what there is to know of each metric.
func (c Collector) Describe(to chan<- *prometheus.Desc) {
	for _, metric := range []*prometheus.Desc{requestsMetric, errorsMetric, durationMetric, underwayMetric} {
		to <- metric
	}
}

// Collect sends the figures of this moment.
func (c Collector) Collect(to chan<- prometheus.Metric) {
	s := c.Meter.Snapshot()
	to <- prometheus.MustNewConstMetric(underwayMetric, prometheus.GaugeValue, float64(s.Underway))
	for _, one := range s.Kinds {
		kind := one.Kind.String()
		to <- prometheus.MustNewConstMetric(requestsMetric, prometheus.CounterValue, float64(one.Count), kind)
		to <- prometheus.MustNewConstHistogram(durationMetric, one.Count, one.Sum.Seconds(), one.took.cumulative(), kind)
		for _, failed := range one.Errors {
			to <- prometheus.MustNewConstMetric(errorsMetric, prometheus.CounterValue, float64(failed.Count), kind, failed.Name)
		}
	}
}

// cumulative returns how many took no longer than so many seconds.
func (c *counted) cumulative() map[float64]uint64 {
	to := make(map[float64]uint64)
	for power := firstPower; power <= lastPower; power += powerStep {
		to[float64(uint64(1)<<power)/1e9] = c.below(power)
	}
	return to
}

// Text returns all metrics of a registry in Prometheus's text format.
func Text(registry prometheus.Gatherer) ([]byte, error) {
	families, err := registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gathering metrics: %w", err)
	}
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return nil, fmt.Errorf("writing the metric %s: %w", family.GetName(), err)
		}
	}
	return text.Bytes(), nil
}
