// Package inspection tests the daemon's own tree, .shmfs, as docs/inspection.md promises it: that it is always there and cannot be
// changed, that what it says is what stat(2) and /proc say, who is told what, and the stream of events. What is about time is in
// package inspectcost.
package inspection
