package fs

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(senderVariable) != "" {
		sendDevice()
	}
	goleak.VerifyTestMain(m)
}
