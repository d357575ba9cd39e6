package fs

import (
	"encoding/json"
	"fmt"

	"golang.org/x/sys/unix"
)

// facts are what every process that serves a mount must know of it.
type facts struct {
	Mountpoint  string
	Options     Options // in force
	Started     unix.Timespec
	Minor       uint32 // of protocol 7
	Flags       uint64 // granted by INIT
	Passthrough bool
	Mode        string // how clients share memory: passthrough or cached
	Reason      string // why it is not the best mode
	Device      uint64 // the mount's st_dev; 0 if it is not known
	ByHandle    bool   // the helper process may open files by handle
}

// agreement is what INIT settled.
func (f *facts) agreement() agreement {
	return agreement{minor: f.Minor, flags: f.Flags, passthrough: f.Passthrough}
}

// encode returns the facts for another process.
func (f *facts) encode() ([]byte, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("writing down a mount's facts: %w", err)
	}
	return text, nil
}

func decodeFacts(text []byte) (facts, error) {
	var found facts
	if err := json.Unmarshal(text, &found); err != nil {
		return facts{}, fmt.Errorf("reading a mount's facts: %w", err)
	}
	return found, nil
}
