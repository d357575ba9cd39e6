package fs

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"unsafe"

	"bazil.org/fuse"
)

// This file is the one place that reaches into bazil.org/fuse: it has no way to make a fuse.Conn of a connection whose INIT
// somebody else answered, nor to see the body of a request it does not decode. adopt_test.go fails when its fields change.

// wireVersion is the protocol bazil decodes by: the newest it knows, which every kernel that speaks a later one still sends.
var wireVersion = fuse.Protocol{Major: 7, Minor: 33}

// bazil is where bazil.org/fuse keeps what it does not show.
var bazil = layoutOfBazil()

// bazilLayout says where the fields are.
type bazilLayout struct {
	err     error        // that something is not where it was; then the rest means nothing
	message reflect.Type // fuse.Header.msg points to
	msg     uintptr      // offset in fuse.Header
	buf     uintptr      // offset in a message: all its bytes
	hdr     uintptr      // offset in a message: a pointer into buf
}

func layoutOfBazil() bazilLayout {
	msg, found := reflect.TypeFor[fuse.Header]().FieldByName("msg")
	if !found || msg.Type.Kind() != reflect.Pointer || msg.Type.Elem().Kind() != reflect.Struct {
		return bazilLayout{err: fmt.Errorf("bazil.org/fuse: Header.msg is not what it was")}
	}
	message := msg.Type.Elem()
	buf, found := message.FieldByName("buf")
	if !found || buf.Type != reflect.TypeFor[[]byte]() {
		return bazilLayout{err: fmt.Errorf("bazil.org/fuse: message.buf is not what it was")}
	}
	hdr, found := message.FieldByName("hdr")
	if !found || hdr.Type.Kind() != reflect.Pointer {
		return bazilLayout{err: fmt.Errorf("bazil.org/fuse: message.hdr is not what it was")}
	}
	return bazilLayout{message: message, msg: msg.Offset, buf: buf.Offset, hdr: hdr.Offset}
}

// messageOf returns where a request's message is kept.
func (l *bazilLayout) messageOf(header *fuse.Header) *unsafe.Pointer {
	return (*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(header), l.msg))
}

// bytesOf returns where the bytes of a message are kept.
func (l *bazilLayout) bytesOf(message unsafe.Pointer) *[]byte {
	return (*[]byte)(unsafe.Add(message, l.buf))
}

// adopt makes a bazil connection of a device that is past INIT. The connection owns the device from then on.
func adopt(device *os.File, flags uint64) (*fuse.Conn, error) {
	if bazil.err != nil {
		return nil, bazil.err
	}
	if err := prefault(); err != nil {
		return nil, err
	}
	conn := &fuse.Conn{}
	for name, value := range map[string]any{
		"dev":   device,
		"proto": wireVersion,
		"flags": fuse.InitFlags(uint32(flags)),
	} {
		if err := setField(conn, name, value); err != nil {
			return nil, err
		}
	}
	return conn, nil
}

// bodyOf returns what follows the header of a request that bazil did not decode. It is valid until the request is answered.
func bodyOf(request *fuse.UnrecognizedRequest) ([]byte, error) {
	message := *bazil.messageOf(&request.Header)
	if message == nil {
		return nil, fmt.Errorf("request of opcode %d without a message", request.Opcode)
	}
	whole := *bazil.bytesOf(message)
	if len(whole) < inHeaderSize {
		return nil, fmt.Errorf("request of %d bytes is shorter than its header", len(whole))
	}
	return whole[inHeaderSize:], nil
}

// pollKey returns what wakes those who poll by a request.
func pollKey(request *fuse.PollRequest) (uint64, error) {
	key := reflect.ValueOf(request).Elem().FieldByName("kh")
	if !key.IsValid() || key.Kind() != reflect.Uint64 {
		return 0, fmt.Errorf("bazil.org/fuse: PollRequest.kh is not what it was")
	}
	return key.Uint(), nil
}

// compact has a request take no more memory than it needs, since bazil's buffers have room for the largest, and returns about how many bytes
// that is. From then on bazil can neither answer it nor take its buffer back: see send and discard.
func compact(request fuse.Request) int {
	const header = 400 // bytes of a request without its data
	var kept, data []byte
	switch r := request.(type) {
	case *fuse.WriteRequest:
		r.Data = bytes.Clone(r.Data)
		data = r.Data
	case *fuse.SetxattrRequest:
		r.Xattr = bytes.Clone(r.Xattr)
		data = r.Xattr
	case *fuse.UnrecognizedRequest:
		kept = bytes.Clone(*bazil.bytesOf(*bazil.messageOf(&r.Header)))
	}
	discard(request)
	own := reflect.New(bazil.message).UnsafePointer()
	*bazil.bytesOf(own) = kept
	*bazil.messageOf(request.Hdr()) = own
	return header + len(kept) + len(data)
}

// isCompact says whether a request's message is one that compact made: no other is without a header.
func isCompact(request fuse.Request) bool {
	message := *bazil.messageOf(request.Hdr())
	return *(*unsafe.Pointer)(unsafe.Add(message, bazil.hdr)) == nil
}

// discard gives a request's buffer back to bazil's pool without an answer: one was written by other means, or none is due.
func discard(request fuse.Request) {
	if !isCompact(request) {
		(&fuse.ForgetRequest{Header: *request.Hdr()}).Respond()
	}
}

func setField(conn *fuse.Conn, name string, value any) error {
	field, err := fieldOf(conn, name, reflect.TypeOf(value))
	if err != nil {
		return err
	}
	field.Set(reflect.ValueOf(value))
	return nil
}

func fieldOf(conn *fuse.Conn, name string, want reflect.Type) (reflect.Value, error) {
	field := reflect.ValueOf(conn).Elem().FieldByName(name)
	if !field.IsValid() || field.Type() != want {
		return field, fmt.Errorf("bazil.org/fuse: Conn.%s is not a %s any more", name, want)
	}
	return reflect.NewAt(want, unsafe.Pointer(field.UnsafeAddr())).Elem(), nil
}
