// Package objects holds the names and the life of shared-memory objects: the tree of files, directories, links and special
// files, their attributes, and how much memory they are charged for. It knows nothing of FUSE.
//
// The store (mmapcore.Store) is the source of truth: names, modes, owners, times, link counts and extended attributes are the
// store's own, so the kernel's tmpfs keeps the hard semantics. The Tree adds what FUSE needs and the store lacks: a node for
// each inode somebody may refer to by number, kept reachable until nobody does, the ledger of commit=strict, and the account of what each
// user holds (docs/quotas.md), and who created what.
//
// A node's id is its inode number in the store, except that the root is always RootID. A node is found again by its file
// handle, so that a known name costs no descriptor; an inode without a name left is held by a descriptor until the last
// reference to its node is forgotten.
//
// Lock order:
//
//	nameCount.mu
//	  Node.growth
//	    Tree.mu
//	    account.mu
//	      Ledger.mu
//	    creators.mu
//
// Only Node.growth is held while waiting: for memory that is about to come free, and for a directory store's disk.
package objects
