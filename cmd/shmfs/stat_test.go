package main

import (
	"bytes"
	"strings"
	"testing"
)

const exampleObject = `name: fra\040mes
type: file
inode: 2
size: 5242880
charged: 5242880
resident: 512
mode: 0644
uid: 0
user: root
modified: 2026-11-29T10:22:11.079805544Z
creator-pid: 4711
creator-command: "ba\x1bsh, x"
creator-cgroup: /user.slice
opens: 1
mappers: 2
mapper: pid 4711, user root, command "bash", bytes 4096, resident 4096, sharing shared, protection rw-
mapper: pid 4712, user root, command "a \"b\", units 3\n", bytes 8192, resident 0, sharing private, protection r--
open: pid 4711, user root, command "bash", flags read,write, since 2026-11-29T10:22:11.079805544Z
policy: -
target: -
`

func TestStat(t *testing.T) {
	target := object{name: "frames", mount: fakeMount(t, map[string]string{".shmfs/object/frames": exampleObject + "odd: \x1b[2J\n"})}
	var output bytes.Buffer
	if err := (objectStatus{}).show(target, &output); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(exampleObject, ": 5242880\n", ": 5242880 (5M)\n") + `odd: \x1b[2J` + "\n"
	requireText(t, output.String(), want)
	output.Reset()
	if err := (objectStatus{bytes: true}).show(target, &output); err != nil {
		t.Fatal(err)
	}
	requireText(t, output.String(), exampleObject+`odd: \x1b[2J`+"\n")
}

func TestStatJSON(t *testing.T) {
	target := object{name: "frames", mount: fakeMount(t, map[string]string{".shmfs/object/frames": exampleObject})}
	const want = `{"name":"fra mes","type":"file","inode":2,"size":5242880,"charged":5242880,"resident":512,"mode":"0644","uid":0,"user":"root",` +
		`"modified":"2026-11-29T10:22:11.079805544Z","creator-pid":4711,"creator-command":"ba\u001bsh, x","creator-cgroup":"/user.slice",` +
		`"opens":1,"mappers":2,"policy":null,"target":null,` +
		`"mapper":[{"pid":4711,"user":"root","command":"bash","bytes":4096,"resident":4096,"sharing":"shared","protection":"rw-"},` +
		`{"pid":4712,"user":"root","command":"a \"b\", units 3\n","bytes":8192,"resident":0,"sharing":"private","protection":"r--"}],` +
		`"open":[{"pid":4711,"user":"root","command":"bash","flags":"read,write","since":"2026-11-29T10:22:11.079805544Z"}]}` + "\n"
	var output bytes.Buffer
	if err := (objectStatus{json: true}).show(target, &output); err != nil {
		t.Fatal(err)
	}
	requireText(t, output.String(), want)
}

func TestRecordsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "pid", "pid ", " pid 1", `command "a" b`, "pid 1, ", `a 1, "`} {
		record, err := parseRecord(text).text()
		if err != nil || !strings.HasPrefix(record, `{"text":`) && text != "pid 1, " {
			t.Errorf("%q is %s, %v", text, record, err)
		}
	}
}

func TestStatRefuses(t *testing.T) {
	mount := fakeMount(t, map[string]string{".shmfs/object/d/x": "", "sem.jobs": ""})
	for name, want := range map[string]string{"d": "shmfs ls d", "none": "does not exist", "jobs": "is sem.jobs", "d/x/y": "no directory"} {
		if _, err := (object{name: name, mount: mount}).status(); codeOf(err) != exitFailure || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (object{name: "x", mount: t.TempDir()}).status(); err == nil || !strings.Contains(err.Error(), "daemon of this version") {
		t.Errorf("a daemon without the directory: %v", err)
	}
}
