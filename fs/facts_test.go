package fs

import (
	"encoding/json"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"shmfs/mmapcore/record"
)

// blobWith is the facts of a record, with a text for them.
func blobWith(t *testing.T, text string) *record.Blob {
	t.Helper()
	file, err := newRecord(&facts{})
	if err != nil {
		t.Fatal(err)
	}
	memory, err := record.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = memory.Close() })
	state, err := openState(memory)
	if err == nil {
		err = state.facts.Store([]byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return state.facts
}

// A record that this program does not read is refused, and one without a form is one of the first.
func TestFormOfTheRecord(t *testing.T) {
	for text, want := range map[string]int{`{}`: 1, `{"Form":1}`: 1, `{"Form":0}`: 1} {
		if found, err := loadFacts(blobWith(t, text)); err != nil || found.Form != want {
			t.Errorf("%s has form %d, %v", text, found.Form, err)
		}
	}
	text, err := json.Marshal(&facts{Form: RecordForm + 1})
	if err != nil {
		t.Fatal(err)
	}
	blob := blobWith(t, string(text))
	if _, err := loadFacts(blob); !errors.Is(err, unix.EPROTONOSUPPORT) {
		t.Errorf("a later form: %v, want EPROTONOSUPPORT", err)
	}
	own := &facts{Form: RecordForm + 1}
	if err := own.store(blob); err != nil {
		t.Fatal(err)
	}
	if found, err := loadFacts(blob); err != nil || found.Form != RecordForm {
		t.Errorf("what this program writes has form %d, %v", found.Form, err)
	}
}
