package main

import (
	"errors"
	"time"
)

// patience is how long a mountpoint may take to answer the command line: what is longer than a busy machine keeps anybody waiting.
const patience = 10 * time.Second

// endLimit is how long a daemon may take to end once its mount is gone: it gives all its memory back first.
const endLimit = 30 * time.Second

// errNoAnswer says that a mountpoint let the time limit pass.
var errNoAnswer = errors.New("no answer within " + patience.String())

// within returns what the call returns, or errNoAnswer when that takes longer than patience. The call is then left behind:
// nothing can end it but the file system it waits for.
func within[T any](call func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	outcomes := make(chan outcome, 1)
	go func() {
		value, err := call()
		outcomes <- outcome{value, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case ended := <-outcomes:
		return ended.value, ended.err
	case <-timer.C:
		var none T
		return none, errNoAnswer
	}
}
