package fs

import (
	"strconv"
	"time"

	"shmfs/fs/greed"
	"shmfs/fs/meter"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metricsText is what the file metrics holds, and what is served over HTTP.
func (f *Filesystem) metricsText(asker) ([]byte, error) { return meter.Text(f.metrics) }

// Metrics gathers what there is to know about the mount, for Prometheus. It may be used concurrently.
func (f *Filesystem) Metrics() prometheus.Gatherer { return f.metrics }

// newRegistry registers everything that the mount and its process can tell.
func (f *Filesystem) newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(meter.Collector{Meter: f.meter}, mountCollector{f},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// mountCollector hands the figures of the mount to Prometheus's library. Each is made when it is asked for.
type mountCollector struct{ filesystem *Filesystem }

// describe makes what there is to know of a metric of the mount.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("shmfs_"+name, help, labels, nil)
}

var (
	infoMetric     = describe("info", "The mount: always 1.", "mode", "commit", "store", "version")
	uptimeMetric   = describe("uptime_seconds", "How long the mount has been served.")
	objectsMetric  = describe("objects", "Regular files with a name, semaphores among them.")
	directories    = describe("directories", "Directories below the root.")
	semaphoreCount = describe("semaphores", "Names of semaphores.")
	chargedMetric  = describe("charged_bytes", "Bytes that count against the limit.")
	residentMetric = describe("resident_bytes", "Bytes in memory of all regular files with a name.")
	limitMetric    = describe("limit_bytes", "The limit of charged bytes; 0: none.")
	countAge       = describe("count_age_seconds", "How long ago the objects, directories and semaphores, and their bytes in memory, were counted; 0: now.")
	inodesUsed     = describe("inodes", "Inodes in use.")
	inodesLimit    = describe("limit_inodes", "The limit of inodes; 0: none.")
	userCharged    = describe("user_charged_bytes", "Bytes that count against a user's limit.", "uid")
	userObjects    = describe("user_objects", "Inodes of a user.", "uid")
	userLimit      = describe("user_limit_bytes", "The limit of a user's charged bytes; 0: none.", "uid")
	userMost       = describe("user_limit_objects", "The limit of a user's inodes; 0: none.", "uid")
	handlesMetric  = describe("open_handles", "Open files and directories.")
	nodesMetric    = describe("nodes", "Inodes that the kernel or the daemon knows.")
	restartsMetric = describe("worker_restarts_total", "How often a process that served the mount has died and another went on.")
	waitersMetric  = describe("waiters", "Calls that wait for a semaphore or an event.")
	queuedMetric   = describe("requests_queued", "Requests that wait for others of their user to be answered.")
	refusedMetric  = describe("limit_refusals_total", "Calls that a limit of one user has refused.", "limit")
	eventReaders   = describe("event_readers", "Open streams of events.")
	eventsMetric   = describe("events_total", "Events so far.")
	eventsDropped  = describe("events_dropped_total", "Events that readers were told that they missed.")
	recordRows     = describe("record_rows", "Rows of a table of the record, which outlives the process.", "table")
	collectFailed  = describe("collect_errors", "Whether the figures of the objects could not be had.")
)

// Describe sends what there is to know of each metric.
func (c mountCollector) Describe(to chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{
		infoMetric, uptimeMetric, objectsMetric, directories, semaphoreCount, chargedMetric, residentMetric, limitMetric, countAge, inodesUsed,
		inodesLimit, userCharged, userObjects, userLimit, userMost, handlesMetric, nodesMetric, waitersMetric, queuedMetric, refusedMetric, restartsMetric, eventReaders, eventsMetric,
		eventsDropped, recordRows, collectFailed,
	} {
		to <- one
	}
}

// Collect sends the figures of this moment.
func (c mountCollector) Collect(to chan<- prometheus.Metric) {
	f := c.filesystem
	gauge := func(of *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, value, labels...)
	}
	counter := func(of *prometheus.Desc, value uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(of, prometheus.CounterValue, float64(value), labels...)
	}
	options := f.options.Load()
	gauge(infoMetric, 1, f.facts.Mode, options.Commit.String(), options.Store, BuildVersion().String())
	gauge(uptimeMetric, time.Since(timeAt(f.facts.Started)).Seconds())
	gauge(handlesMetric, float64(f.handles.count()))
	gauge(nodesMetric, float64(f.tree.Known()))
	gauge(waitersMetric, float64(f.limits.waiters.Total()))
	gauge(queuedMetric, float64(f.limits.turns.Queued()))
	f.limits.each(func(name string, count *greed.Count) { counter(refusedMetric, count.Refused(), name) })
	gauge(eventReaders, float64(f.journal.Readers()))
	counter(restartsMetric, f.supervisor.Restarts())
	counter(eventsMetric, f.journal.Published())
	counter(eventsDropped, f.journal.Dropped())
	for table, rows := range f.state.memory.Rows() {
		gauge(recordRows, float64(rows), table)
	}
	for _, user := range f.tree.Users() {
		uid := strconv.FormatUint(uint64(user.UID), 10)
		gauge(userCharged, float64(user.Held.Bytes), uid)
		gauge(userObjects, float64(user.Held.Objects), uid)
		gauge(userLimit, float64(user.Limit.Bytes), uid)
		gauge(userMost, float64(user.Limit.Objects), uid)
	}
	counted, age, err := f.countAll()
	usage, usageErr := f.tree.Usage()
	if err != nil || usageErr != nil {
		gauge(collectFailed, 1)
		return
	}
	gauge(collectFailed, 0)
	charged, limit := f.bytesUsed(&usage)
	gauge(countAge, age.Seconds())
	gauge(objectsMetric, float64(counted.Files))
	gauge(directories, float64(counted.Directories))
	gauge(semaphoreCount, float64(counted.Names))
	gauge(chargedMetric, float64(charged))
	gauge(residentMetric, float64(counted.Resident))
	gauge(limitMetric, float64(limit))
	gauge(inodesUsed, float64(usage.Files-usage.Ffree))
	gauge(inodesLimit, float64(usage.Files))
}
