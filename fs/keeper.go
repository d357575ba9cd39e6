package fs

// Keeper holds descriptors beyond the life of this process. Its methods may be called concurrently; what was asked before this process dies
// is done.
type Keeper interface {
	// Keep has a descriptor of a node's inode held. The caller's own stays the caller's.
	Keep(node uint64, descriptor int) error
	// LetGo has what Keep holds closed. A node of which nothing is held is no error.
	LetGo(node uint64) error
}

// NoKeeper keeps nothing: what has no name is gone with this process.
type NoKeeper struct{}

// Keep does nothing.
func (NoKeeper) Keep(uint64, int) error { return nil }

// LetGo does nothing.
func (NoKeeper) LetGo(uint64) error { return nil }
