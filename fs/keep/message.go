package keep

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Kind says what a message is about.
type Kind uint16

// What a worker says to its supervisor.
const (
	Hello      Kind = iota + 1 // it is started; the text says what it is
	Serving                    // it serves the mount
	Failed                     // it could not begin to serve; the text says why
	Ended                      // serving has ended for good; the text says what failed, or nothing
	HandedOver                 // it serves no more and lets another go on
	Reload                     // somebody asks for another worker; the text is who
	Keep                       // the descriptors are to be held, each by the number at its place
	LetGo                      // the numbers are not to be held any more
	Inherit                    // to a new supervisor: the text and the descriptors are all that there is
)

// What a supervisor says to a worker.
const (
	Kept     Kind = iota + 64 // descriptors that are held, each with its number
	Serve                     // go on serving what the text and the descriptors are
	HandOver                  // stop serving, so that another can go on
	Leave                     // end
	Outcome                   // what became of a reload
	Adopted                   // it has inherited, and supervises from now on
)

// Message is one message of a link.
type Message struct {
	Kind    Kind
	Numbers []uint64
	Text    []byte
	// Files are descriptors. A sender's stay its own; a receiver's belong to the receiver.
	Files []int
}

const (
	// MostFiles is how many descriptors a message holds at most; the kernel's limit is 253.
	MostFiles = 250

	// MostText is how many bytes of text a message holds at most.
	MostText = 64 << 10

	headerSize  = 16
	messageSize = headerSize + 8*MostFiles + MostText

	// format begins every message: programs of different versions may stand at the two ends.
	format = 0x7368_0001
)

var le = binary.LittleEndian

// encode returns the message without its descriptors. E2BIG if it is too large.
func (m *Message) encode() ([]byte, error) {
	if len(m.Numbers) > MostFiles || len(m.Files) > MostFiles || len(m.Text) > MostText {
		return nil, fmt.Errorf("a message of %d numbers, %d descriptors and %d bytes: %w", len(m.Numbers), len(m.Files), len(m.Text), unix.E2BIG)
	}
	data := make([]byte, headerSize, headerSize+8*len(m.Numbers)+len(m.Text))
	le.PutUint32(data[0:], format)
	le.PutUint16(data[4:], uint16(m.Kind))
	le.PutUint16(data[6:], uint16(len(m.Files)))
	le.PutUint32(data[8:], uint32(len(m.Numbers)))
	le.PutUint32(data[12:], uint32(len(m.Text)))
	for _, number := range m.Numbers {
		data = le.AppendUint64(data, number)
	}
	return append(data, m.Text...), nil
}

// decode reads a message and how many descriptors came with it when it was sent. EPROTO if it is none of ours.
func decode(data []byte) (m Message, files int, err error) {
	if len(data) < headerSize || le.Uint32(data) != format {
		return m, 0, fmt.Errorf("a message of %d bytes in no known format: %w", len(data), unix.EPROTO)
	}
	files = int(le.Uint16(data[6:]))
	numbers, text := uint64(le.Uint32(data[8:])), uint64(le.Uint32(data[12:]))
	if files > MostFiles || numbers > MostFiles || text > MostText || headerSize+8*numbers+text != uint64(len(data)) {
		return m, 0, fmt.Errorf("a message of %d bytes that says %d numbers and %d bytes: %w", len(data), numbers, text, unix.EPROTO)
	}
	m.Kind = Kind(le.Uint16(data[4:]))
	for at := uint64(headerSize); at < headerSize+8*numbers; at += 8 {
		m.Numbers = append(m.Numbers, le.Uint64(data[at:]))
	}
	m.Text = append(m.Text, data[headerSize+8*numbers:]...)
	return m, files, nil
}

// Close closes the descriptors of a message that was received.
func (m *Message) Close() {
	for _, descriptor := range m.Files {
		_ = unix.Close(descriptor)
	}
	m.Files = nil
}
