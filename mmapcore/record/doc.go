// Package record keeps state that must outlive the process which made it: a memfd of 8-byte words, mapped, and changed in
// transactions, so that a death between any two instructions leaves each of them made or not made at all.
//
// # What is safe against what
//
// The process may be killed between any two instructions. What it had stored by then is there for the next one, in the order
// in which the program stored it: the processor finishes the instructions before the one it stops at and none after, whatever
// order other processors would have seen them in, and the pages belong to the memfd. Loss of power is not thought of,
// since the memory does not survive it. One process uses a memory at a time; the next opens it when that has ended.
//
// # Memory, tables, rows, blobs
//
// A Memory is the memfd. A Table is a set of rows of so many words each. A Row stays where it is for as long as it is used;
// one word of it is stored at once. A Change makes several stores, in several rows of several tables, as one. A Blob is a
// small text that is replaced as a whole.
//
// # Layout
//
// The file is a page with a header, and then chunks, one after the other, whole pages each. A chunk begins with what it is
// for: rows of a table, a blob, or a log; and a checksum of that, its seal, which is stored last. A chunk without a seal is not
// there: it is what a death while the file grew has left, and so are all after it. There are no links that could form a ring.
//
// A row begins with a state word, which says whether it is used; the only record of what is free. Adding a row fills a free one
// and stores that word last; removing it stores that word and nothing else.
//
// A Change writes addresses and values to a log of its own and stores the log's seal, a checksum. Then it makes the stores, and clears
// the seal. Open makes the stores of sealed logs once more, which changes nothing where they were made already; logs
// without a seal are of changes that have not happened. Two changes that are made at once must not store to the same word: their
// callers hold locks for what they change. Which rows are free is the package's own business: a row that was removed is not
// used again before the log that removed it has lost its seal, or making that change once more would remove its successor.
//
// # Mangled files
//
// Everything that Open relies on is checked: the header, the chunks' bounds and seals, state words, addresses and values in logs, blobs.
// What does not fit is an error that wraps EUCLEAN. The words of rows have no checksum; who reads them must bear any value.
// The file is sealed against shrinking and its space is reserved before it is used, so no access can raise SIGBUS.
//
// # Locks
//
// In the order in which they are taken, those further in last:
//
//	Memory.naming       which tables and blobs there are
//	  Table.mu          which rows are free
//	    Memory.growing  the end of the file
//	logs.mu             which logs are free; alone
//	Blob.mu             a blob's two copies; alone
//
// None is held while a caller's function runs.
package record
