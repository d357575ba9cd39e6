package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonObject is an object of JSON in the making, whose keys keep their order.
type jsonObject struct {
	members []jsonMember
}

type jsonMember struct {
	key   string
	value any
}

func (o *jsonObject) add(key string, value any) {
	o.members = append(o.members, jsonMember{key, value})
}

// addText adds a text, and its bytes in base64 besides if they are no UTF-8.
func (o *jsonObject) addText(key, text string) {
	o.add(key, text)
	if !utf8.ValidString(text) {
		o.add(key+"_bytes", base64.StdEncoding.EncodeToString([]byte(text)))
	}
}

// addField adds a field of a table: null if it is empty, a number if its column has those.
func (o *jsonObject) addField(key string, kind fieldKind, field string) {
	switch {
	case field == "":
		o.add(key, nil)
	case kind != textKind && kind != timeKind && isJSONNumber(field):
		o.add(key, json.Number(field))
	default:
		o.addText(key, field)
	}
}

// isJSONNumber reports whether a text can stand in JSON as a number.
func isJSONNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil && json.Valid([]byte(text))
}

// text returns the object on one line that a terminal may have.
func (o *jsonObject) text() (string, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("writing JSON: %w", err)
	}
	return escapeJSON(string(text)), nil
}

// MarshalJSON implements json.Marshaler.
func (o *jsonObject) MarshalJSON() ([]byte, error) {
	var text strings.Builder
	text.WriteByte('{')
	for i, member := range o.members {
		if i > 0 {
			text.WriteByte(',')
		}
		key, err := json.Marshal(member.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(member.value)
		if err != nil {
			return nil, err
		}
		text.Write(key)
		text.WriteByte(':')
		text.Write(value)
	}
	text.WriteByte('}')
	return []byte(text.String()), nil
}
