package main

import (
	"maps"

	"github.com/hashicorp/go-hclog"

	"shmfs/fs/keep"
)

// keeper has inodes without a name held by the supervisor, and by the service manager. The supervisor tells that too, but later: should all
// processes of the mount be killed right after an inode has lost its name, it would not have come to it. It implements fs.Keeper.
type keeper struct {
	*keep.Client
	manager *serviceManager
}

// newKeeper returns a keeper of which that is held already.
func newKeeper(client *keep.Client, held map[uint64]int, log hclog.Logger) *keeper {
	k := &keeper{Client: client, manager: newServiceManager(log)}
	k.manager.nodes.takeAll(maps.Keys(held))
	return k
}

// Keep has a descriptor of a node's inode held. The caller's own stays the caller's. EMFILE when this process may open no more files.
func (k *keeper) Keep(node uint64, descriptor int) error {
	if err := k.Client.Keep(node, descriptor); err != nil {
		return err
	}
	k.manager.holdNodeAtOnce(node, descriptor)
	return nil
}

// LetGo has what Keep holds closed. A node of which nothing is held is no error.
func (k *keeper) LetGo(node uint64) error {
	k.manager.nodes.giveBack(node) // the supervisor tells: nothing is lost by what is kept for longer
	return k.Client.LetGo(node)
}
