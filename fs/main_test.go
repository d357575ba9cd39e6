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
	// What has died in a test stays where it is.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("shmfs/fs.stayDead"))
}
