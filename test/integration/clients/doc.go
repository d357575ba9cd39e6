// Package clients tests that processes written in C, Python, Go, JavaScript and Java share one object: all map it by its
// path at the same time, and every atomic operation and every store of one is seen by the others. The peers stand in
// testdata, one a language, and are compiled by the test. What is demanded of shmfs is demanded of a plain tmpfs first.
package clients
