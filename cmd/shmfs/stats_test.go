package main

import (
	"bytes"
	"testing"
)

const exampleStats = `mode: cached
mode-reason: switched off by option
protocol: 7.45
version: v1 ` + "\x1b" + `
pid: 4711
uptime-seconds: 4000.345
bytes-charged: 5242880
bytes-limit: 1073741824
count-age-seconds: 0.000
inodes-limit: 0
requests: 1234
requests-get-attr: 1000
requests-lookup: 234
errors-lookup-EACCES: 1
errors-lookup-ENOENT: 3
latency-get-attr-p50-seconds: 0.000012
latency-get-attr-p90-seconds: 0.0123
latency-get-attr-p99-seconds: 1.5
latency-get-attr-max-seconds: 70.25
`

func TestStats(t *testing.T) {
	for _, c := range []struct {
		figures mountFigures
		want    string
	}{
		{mountFigures{}, `mode:          cached
mode-reason:   switched off by option
protocol:      7.45
version:       v1 \x1b
pid:           4711
uptime:        1h06m
bytes-charged: 5M
bytes-limit:   1G
count-age:     0s
inodes-limit:  none
requests:      1234

REQUEST  COUNT  P50  P90  P99   MAX ERRORS
get-attr  1000 12µs 12ms 1.5s 1m10s -
lookup     234    -    -    -     - EACCES:1,ENOENT:3
`},
		{mountFigures{bytes: true}, `mode:              cached
mode-reason:       switched off by option
protocol:          7.45
version:           v1 \x1b
pid:               4711
uptime-seconds:    4000.345
bytes-charged:     5242880
bytes-limit:       1073741824
count-age-seconds: 0.000
inodes-limit:      none
requests:          1234

REQUEST  COUNT      P50    P90 P99   MAX ERRORS
get-attr  1000 0.000012 0.0123 1.5 70.25 -
lookup     234        -      -   -     - EACCES:1,ENOENT:3
`},
		{mountFigures{json: true}, `{"mode":"cached","mode-reason":"switched off by option","protocol":"7.45","version":"v1 \u001b","pid":4711,` +
			`"uptime-seconds":4000.345,"bytes-charged":5242880,"bytes-limit":1073741824,"count-age-seconds":0.000,"inodes-limit":0,"requests":1234,` +
			`"requests-get-attr":1000,"requests-lookup":234,"errors-lookup-EACCES":1,"errors-lookup-ENOENT":3,` +
			`"latency-get-attr-p50-seconds":0.000012,"latency-get-attr-p90-seconds":0.0123,"latency-get-attr-p99-seconds":1.5,` +
			`"latency-get-attr-max-seconds":70.25}` + "\n"},
	} {
		var output bytes.Buffer
		if err := c.figures.show(parseKeyValues([]byte(exampleStats)), &output); err != nil {
			t.Fatal(err)
		}
		requireText(t, output.String(), c.want)
	}
}

func TestStatsOfAnEarlierDaemon(t *testing.T) {
	var output bytes.Buffer
	if err := (mountFigures{}).show(parseKeyValues([]byte("mode: passthrough\n")), &output); err != nil {
		t.Fatal(err)
	}
	requireText(t, output.String(), "mode: passthrough\n")
}
