package fs

import (
	"encoding/json"
	"fmt"

	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// facts are what every process that serves a mount must know of it.
type facts struct {
	Form        int // of the record (RecordForm); 0 where it was not written down, which means 1
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

// store writes the facts down for other processes, and that the record has this program's form.
func (f *facts) store(blob *record.Blob) error {
	f.Form = RecordForm
	text, err := json.Marshal(f)
	if err == nil {
		err = blob.Store(text)
	}
	if err != nil {
		return fmt.Errorf("writing down a mount's facts: %w", err)
	}
	return nil
}

// loadFacts reads the facts. EPROTONOSUPPORT for a record of a form that this program does not read.
func loadFacts(blob *record.Blob) (facts, error) {
	var found facts
	text, err := blob.Load()
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		return facts{}, fmt.Errorf("reading a mount's facts: %w", err)
	}
	found.Form = max(found.Form, 1)
	if found.Form < OldestRecordForm || found.Form > RecordForm {
		return facts{}, fmt.Errorf("its record has form %d, and version %s reads %d to %d: %w",
			found.Form, BuildVersion(), OldestRecordForm, RecordForm, unix.EPROTONOSUPPORT)
	}
	return found, nil
}
