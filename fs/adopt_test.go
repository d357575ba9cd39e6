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
