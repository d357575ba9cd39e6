package fs

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// initMessage is the INIT of a kernel of protocol 7.minor.
func initMessage(minor uint32, offered uint64) []byte {
	body := make([]byte, 64)
	le.PutUint32(body, protocolMajor)
	le.PutUint32(body[4:], minor)
	le.PutUint32(body[12:], uint32(offered))
	le.PutUint32(body[16:], uint32(offered>>32))
	return message{opcode: initOpcode, unique: 2, body: body}.encode()
}

func TestInitAgreements(t *testing.T) {
	const everything = 1<<64 - 1
	for _, c := range []struct {
		name        string
		asked       terms
		offered     uint64
		passthrough bool
		granted     uint64 // these at least
		refused     uint64 // none of these
	}{
		{"passthrough", terms{true, true}, everything, true,
			initPassthrough | initAtomicTruncate | initPosixACL | initExportSupport, initDirectIOAllowMmap},
		{"passthrough not offered", terms{true, true}, everything &^ initPassthrough, false,
			initDirectIOAllowMmap | initPosixACL | initExportSupport, initPassthrough | initAtomicTruncate},
		{"passthrough not wanted", terms{true, false}, everything, false,
			initDirectIOAllowMmap | initPosixACL | initExportSupport, initPassthrough | initAtomicTruncate},
		{"mappings of direct files not offered", terms{true, false}, everything &^ initDirectIOAllowMmap, false,
			initPosixACL, initDirectIOAllowMmap | initAtomicTruncate},
		{"flags2 not offered", terms{true, true}, everything &^ initExt, false,
			initPosixACL, initDirectIOAllowMmap | initPassthrough | initAtomicTruncate | initHasResend},
		{"ordinary user", terms{false, false}, everything, false,
			initDirectIOAllowMmap | initDontMask | initKillPrivilegeV2 | initHasResend,
			initPosixACL | initExportSupport | initPassthrough | initAtomicTruncate},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, agreed, err := parseInit(initMessage(newestMinor, c.offered), c.asked)
			if err != nil {
				t.Fatal(err)
			}
			if agreed.passthrough != c.passthrough {
				t.Errorf("passthrough is %v", agreed.passthrough)
			}
			if !agreed.grants(c.granted) {
				t.Errorf("flags %#x are missing", c.granted&^agreed.flags)
			}
			if wrong := agreed.flags & c.refused; wrong != 0 {
				t.Errorf("flags %#x were asked for", wrong)
			}
			if wrong := agreed.flags &^ c.offered; wrong != 0 {
				t.Errorf("flags %#x were not offered", wrong)
			}
			out := make([]byte, initOutSize)
			putInit(out, agreed)
			if got := uint64(le.Uint32(out[12:])) | uint64(le.Uint32(out[32:]))<<32; got != agreed.flags {
				t.Errorf("the answer has the flags %#x, not %#x", got, agreed.flags)
			}
		})
	}
}

func TestInitOfUnknownProtocols(t *testing.T) {
	if _, _, err := parseInit(initMessage(oldestMinor-1, 0), cachedTerms); !errors.Is(err, unix.EPROTO) {
		t.Errorf("too old: %v", err)
	}
	_, agreed, err := parseInit(initMessage(newestMinor+1, 0), cachedTerms)
	if err != nil || agreed.minor != newestMinor {
		t.Errorf("newer: protocol 7.%d, %v", agreed.minor, err)
	}
}
