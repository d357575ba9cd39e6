// Package meter counts and times the requests that the kernel sends: how many of each kind, which errors they were answered with, and
// how long they took. Counting is a few atomic additions; figures are made when somebody asks for them, as lines of the mount's own "stats" or
// as metrics for Prometheus.
//
// Times are kept in buckets of which there are eight to every doubling, so that a quantile is right within 7 %.
package meter
