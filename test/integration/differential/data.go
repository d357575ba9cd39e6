package differential

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// pattern is what a call writes: Length bytes that differ from their neighbours, so that shifted data is found out, and
// none of them zero, so that holes are.
func pattern(c Call) []byte {
	data := make([]byte, max(c.Length, 0))
	for i := range data {
		data[i] = patternByte(c, int64(i))
	}
	return data
}

func patternByte(c Call, i int64) byte { return byte((int64(c.Fill)+i)%255) + 1 }

func showData(c Call) string { return fmt.Sprintf("%d bytes from %#x", c.Length, patternByte(c, 0)) }

// digest describes data: its runs of zeros and of other bytes, and a hash.
func digest(data []byte) string {
	const most = 8
	var runs []string
	for start := 0; start < len(data) && len(runs) < most; {
		end := start + 1
		for end < len(data) && (data[end] == 0) == (data[start] == 0) {
			end++
		}
		if data[start] == 0 {
			runs = append(runs, fmt.Sprintf("%d×0", end-start))
		} else {
			runs = append(runs, fmt.Sprintf("%d from %#x", end-start, data[start]))
		}
		start = end
	}
	sum := fnv.New64a()
	_, _ = sum.Write(data)
	return fmt.Sprintf("%d bytes [%s] %016x", len(data), strings.Join(runs, ", "), sum.Sum64())
}

func bytesRead(buffer []byte, n int, err error) Outcome {
	if err != nil {
		return failure(err)
	}
	return Outcome{Value: int64(n), Facts: []Fact{{"bytes", digest(buffer[:n])}}}
}
