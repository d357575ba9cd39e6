package fs

import (
	"bytes"
	"os"
	"reflect"
	"testing"

	"bazil.org/fuse"
)

// TestAdoptKnowsBazil fails when bazil.org/fuse changes what adopt.go reaches into, and names what changed.
func TestAdoptKnowsBazil(t *testing.T) {
	kernel := newFakeKernel(t)
	field, err := fieldOf(kernel.f.conn, "dev", reflect.TypeFor[*os.File]())
	if err != nil {
		t.Fatal(err)
	}
	device := field.Interface().(*os.File)
	if int(device.Fd()) != kernel.f.descriptor {
		t.Errorf("the adopted connection's device is descriptor %d, not %d", device.Fd(), kernel.f.descriptor)
	}
	if kernel.f.conn.Protocol() != wireVersion {
		t.Errorf("protocol is %v", kernel.f.conn.Protocol())
	}
	if kernel.f.conn.Features() != fuse.InitFlags(kernel.f.agreed.flags&0xffffffff) {
		t.Errorf("features are %v", kernel.f.conn.Features())
	}
}

func TestBodyOfUndecodedRequest(t *testing.T) {
	kernel := newFakeKernel(t)
	body := []byte("sixteen bytes ok")
	kernel.write(message{opcode: 4711, unique: 9, node: 1, body: body})
	request, err := kernel.f.conn.ReadRequest()
	if err != nil {
		t.Fatal(err)
	}
	unrecognized, ok := request.(*fuse.UnrecognizedRequest)
	if !ok {
		t.Fatalf("bazil decoded opcode 4711 as %T", request)
	}
	got, err := bodyOf(unrecognized)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, body) {
		t.Errorf("body is %q", got)
	}
	discard(request)
}

// TestDiscardGivesBuffersBack reads more requests than could have buffers of their own without notice.
func TestDiscardGivesBuffersBack(t *testing.T) {
	kernel := newFakeKernel(t)
	allocated := testing.AllocsPerRun(100, func() {
		kernel.write(message{opcode: 4711, unique: 9, node: 1})
		request, err := kernel.f.conn.ReadRequest()
		if err != nil {
			t.Fatal(err)
		}
		discard(request)
	})
	const few = 16 // small ones; a buffer not given back would show in bytes, which the benchmark below reports
	if allocated > few {
		t.Errorf("%v allocations a request", allocated)
	}
}

// TestCompactKeepsWhatIsNeeded has requests copied out of their buffers, which others then use.
func TestCompactKeepsWhatIsNeeded(t *testing.T) {
	kernel := newFakeKernel(t)
	read := func(m message) fuse.Request {
		t.Helper()
		kernel.write(m)
		request, err := kernel.f.conn.ReadRequest()
		if err != nil {
			t.Fatal(err)
		}
		return request
	}
	data, body := bytes.Repeat([]byte("data"), 1000), bytes.Repeat([]byte("body"), 100)
	write := read(message{opcode: opWrite, unique: 1, node: 2, body: writeBody(3, 0, data)}).(*fuse.WriteRequest)
	attribute := read(message{opcode: opSetxattr, unique: 4, node: 2, body: append(words(5, 0, 0, 0), "user.a\x00value"...)}).(*fuse.SetxattrRequest)
	unknown := read(message{opcode: 4711, unique: 5, node: 2, body: body}).(*fuse.UnrecognizedRequest)
	lookup := read(message{opcode: opLookup, unique: 6, node: 2, body: []byte("name\x00")}).(*fuse.LookupRequest)
	all := []fuse.Request{write, attribute, unknown, lookup}
	sizes := 0
	for _, request := range all {
		if isCompact(request) {
			t.Errorf("%v is compact before", request)
		}
		sizes += compact(request)
		if !isCompact(request) {
			t.Errorf("%v is not compact", request)
		}
	}
	if sizes < len(data)+len(body) || sizes > len(data)+len(body)+5000 {
		t.Errorf("they take %d bytes", sizes)
	}
	for range 100 { // with the buffers that were theirs
		discard(read(message{opcode: 4711, unique: 9, node: 1, body: bytes.Repeat([]byte("x"), 10000)}))
	}
	got, err := bodyOf(unknown)
	if err != nil || !bytes.Equal(got, body) || !bytes.Equal(write.Data, data) || string(attribute.Xattr) != "value" || lookup.Name != "name" {
		t.Errorf("%v, %d bytes of the body, %d of data, %q, %q", err, len(got), len(write.Data), attribute.Xattr, lookup.Name)
	}
	if write.Handle != 3 || write.Hdr().ID != 1 || unknown.Opcode != 4711 || unknown.Hdr().Node != 2 {
		t.Errorf("their headers are %v and %v", write.Hdr(), unknown.Hdr())
	}
	for _, request := range all {
		discard(request) // gives nothing back
	}
	whole := read(message{opcode: opWrite, unique: 1, node: 2, body: writeBody(3, 0, make([]byte, maxWrite))})
	if len(whole.(*fuse.WriteRequest).Data) != maxWrite {
		t.Error("there is a small buffer among bazil's")
	}
	discard(whole)
}

func BenchmarkReadRequest(b *testing.B) {
	kernel := newFakeKernel(b)
	b.ReportAllocs()
	for b.Loop() {
		kernel.write(message{opcode: 4711, unique: 9, node: 1})
		request, err := kernel.f.conn.ReadRequest()
		if err != nil {
			b.Fatal(err)
		}
		discard(request)
	}
}
