package top

import (
	"time"
)

// Request is what a sample is to have besides the tables.
type Request struct {
	Name  string // of the object to look at closely, below the root; empty: none
	Cells int    // most cells of its map of pages
}

// Sample is the state of a mount at one time. It is not changed once it is made.
type Sample struct {
	At         time.Time
	Took       time.Duration // to read it
	Stats      Stats
	Objects    []Object    // by name
	Semaphores []Semaphore // by name
	Mappings   []Mapping   // by object
	Openings   []Opening   // by object
	HasMaps    bool        // the mount tells who maps what
	Detail     *Detail     // what the request named; nil: nothing
	Notes      []string    // what could not be read, and why
}

// Stats are the mount's figures, by key.
type Stats map[string]string

// Object is something that has a name. Sizes are in bytes.
type Object struct {
	Name, Type              string
	Size, Charged, Resident int64
	Mode, UID, GID          string
	Links, Opens            int64
	Inode                   uint64
	Modified                time.Time
	Mappers                 int // processes
}

// Semaphore is a named semaphore. Fields are as the table has them: numbers, or empty where there is nothing to say.
type Semaphore struct {
	Name                          string // without the prefix of its file
	Value, Waiters, Held, Initial string
	Layout, State                 string
	Mode, UID, GID                string
	Created                       time.Time
}

// Mapping is a range of a process's memory.
type Mapping struct {
	Object              string
	PID, User, Command  string
	Length              int64 // bytes
	Resident            int64 // bytes
	Offset              int64 // in the object, bytes
	Protection, Sharing string
}

// Opening is an open file.
type Opening struct {
	Object             string
	PID, User, Command string
	Flags              string
	Since              time.Time
}

// Detail is what there is to say of one object beyond the tables.
type Detail struct {
	Name  string
	Facts []Fact
	Pages *Pages // nil: it has none that could be looked at
	Note  string // why not; empty: nothing to say
}

// Fact is a line of an object's own text.
type Fact struct {
	Key, Value string
}

// fact returns the value of a key, "" if it is not there or says nothing.
func (d *Detail) fact(key string) string {
	for _, fact := range d.Facts {
		if fact.Key == key && fact.Value != "-" {
			return fact.Value
		}
	}
	return ""
}

// object returns the object of a name, nil if there is none.
func (s *Sample) object(name string) *Object {
	for i := range s.Objects {
		if s.Objects[i].Name == name {
			return &s.Objects[i]
		}
	}
	return nil
}
