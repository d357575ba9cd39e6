package main

import (
	"iter"
	"maps"
	"slices"
	"sync"
)

// mostNodes is how many inodes without a name a service manager is given to keep. systemd compares each with all that it has, and is process 1:
// a user with many of them must not keep it busy. And it hands over the names of all in one variable of the environment, for which the kernel
// has 128 KiB.
const mostNodes = 1000 - connectionFiles

// nodeShare says which inodes a service manager is given to keep: the first so many. Others are lost should all processes of the mount die.
// All methods may be called concurrently.
type nodeShare struct {
	mu    sync.Mutex
	nodes map[uint64]struct{} // guarded by mu
}

// take says whether a node is among those that are kept, and counts it as one if there is room.
func (s *nodeShare) take(node uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.nodes[node]; taken {
		return true
	}
	if len(s.nodes) >= mostNodes {
		return false
	}
	if s.nodes == nil {
		s.nodes = make(map[uint64]struct{})
	}
	s.nodes[node] = struct{}{}
	return true
}

// takeAll is take for several.
func (s *nodeShare) takeAll(nodes iter.Seq[uint64]) {
	for node := range nodes {
		s.take(node)
	}
}

// giveBack makes room for another, and says whether the node was among those that are kept.
func (s *nodeShare) giveBack(node uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, taken := s.nodes[node]
	delete(s.nodes, node)
	return taken
}

// giveAllBack makes room for all, and returns what was kept.
func (s *nodeShare) giveAllBack() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Sorted(maps.Keys(s.nodes))
	s.nodes = nil
	return all
}
