package fs

import (
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

// adopt makes a bazil connection of a device that is past INIT. The connection owns the device from then on.
func adopt(device *os.File, flags uint64) (*fuse.Conn, error) {
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
	message := reflect.ValueOf(&request.Header).Elem().FieldByName("msg")
	if !message.IsValid() || message.Kind() != reflect.Pointer || message.IsNil() {
		return nil, fmt.Errorf("bazil.org/fuse: Header.msg is not what it was")
	}
	buffer := message.Elem().FieldByName("buf")
	if !buffer.IsValid() || buffer.Type() != reflect.TypeFor[[]byte]() {
		return nil, fmt.Errorf("bazil.org/fuse: message.buf is not what it was")
	}
	whole := buffer.Bytes()
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

// discard gives a request's buffer back to bazil's pool without an answer: one was written by other means, or none is due.
func discard(request fuse.Request) {
	(&fuse.ForgetRequest{Header: *request.Hdr()}).Respond()
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
