package fs

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	RunSemaphoreHelper()
	runBadHelper()
	if os.Getenv(senderVariable) != "" {
		sendDevice()
	}
	goleak.VerifyTestMain(m)
}
