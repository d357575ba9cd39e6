// Package journal hands what happens in a mount to whoever reads it, each event as a line of JSON, and never lets a reader hold up
// what happens.
//
// Events go into one ring, in the order in which they are published. Each Reader has a position in it, and makes the text itself:
// the first that comes to an event encodes it, the others copy. Whoever is overtaken is told how many events it missed and goes on with the
// oldest there is. While nobody reads there is no ring, and an event costs no more than a number.
//
// Those who wait are woken together, and no more than once in Pace: fifty readers who were woken for each single event would take more time
// than what they watch.
//
// Lock order:
//
//	Reader.mu
//	  Journal.mu
package journal
