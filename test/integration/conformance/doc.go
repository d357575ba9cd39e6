// Package conformance states what tmpfs does, one small test function a fact, and holds shmfs to it.
//
// Every test is a func(t, dir) that is given an empty directory. TestConformance runs all of them on a plain tmpfs first (a
// test that fails there is wrong) and then on shmfs, mounted in each configuration: passthrough and cached, each with strict
// and lazy commit. A test asserts the exact errno, the exact stat field, the exact bytes.
//
// What shmfs cannot do as tmpfs does stands in one table, differences: which test, in which configurations, for what reason,
// and a test of its own that says what happens instead. There is no other way around a test, and none is ever skipped.
//
// A test that needs another user, another process or a fault runs a part of itself elsewhere: a step is the test binary
// executed again under an identity, the mapper is a small C program that maps, touches, and reports the signal it got.
package conformance
