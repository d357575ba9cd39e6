package top

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// errNoAnswer tells that the mount has not answered in time. It still may.
var errNoAnswer = errors.New("the mount does not answer")

// Sampler reads samples of a mount, one at a time. It is for one goroutine at a time.
type Sampler struct {
	read    func(Request) (*Sample, error)
	running chan outcome // what is being read; nil if nothing
}

type outcome struct {
	sample *Sample
	err    error
}

// newSampler returns a Sampler of the mount at a directory.
func newSampler(mount string) *Sampler {
	return &Sampler{read: (&collector{directory: directory(mount)}).collect}
}

// Sample reads a sample, on a goroutine of its own, and waits for it at most that long: the error is errNoAnswer then. What was being
// read goes on being read, and is what the next call waits for, so that there is never more than one goroutine that hangs.
func (s *Sampler) Sample(request Request, most time.Duration) (*Sample, error) {
	if s.running == nil {
		running := make(chan outcome, 1)
		go func() {
			sample, err := s.read(request)
			running <- outcome{sample, err}
		}()
		s.running = running
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case ended := <-s.running:
		s.running = nil
		return ended.sample, ended.err
	case <-timer.C:
		return nil, errNoAnswer
	}
}

// collector reads the files of a mount.
type collector struct {
	directory directory
	answered  bool // at least once
}

// collect reads a sample. That the figures cannot be read is an error, with ErrGone in it if the mount is not there any more; what else cannot be read is
// noted in the sample. Nothing is wrong with a table that the mount does not have.
func (c *collector) collect(request Request) (*Sample, error) {
	sample := &Sample{At: time.Now()}
	text, err := c.directory.read("stats")
	if err != nil {
		return nil, c.refusal(err)
	}
	c.answered = true
	sample.Stats = parseStats(text)
	_, err = c.into(sample, "objects", func(text []byte) (err error) { sample.Objects, err = parseObjects(text); return err })
	if err != nil {
		return nil, err
	}
	_, err = c.into(sample, "semaphores", func(text []byte) (err error) { sample.Semaphores, err = parseSemaphores(text); return err })
	if err != nil {
		return nil, err
	}
	sample.HasMaps, err = c.into(sample, "maps", func(text []byte) (err error) { sample.Mappings, err = parseMappings(text); return err })
	if err != nil {
		return nil, err
	}
	_, err = c.into(sample, "handles", func(text []byte) (err error) { sample.Openings, err = parseOpenings(text); return err })
	if err != nil {
		return nil, err
	}
	countMappers(sample.Objects, sample.Mappings)
	if request.Name != "" {
		sample.Detail = c.detail(sample.object(request.Name), request)
	}
	sample.Took = time.Since(sample.At)
	return sample, nil
}

// into reads a table and says whether there is one. The error has ErrGone in it; others become notes.
func (c *collector) into(sample *Sample, name string, parse func([]byte) error) (bool, error) {
	text, err := c.directory.read(name)
	switch {
	case isGone(err):
		return false, c.refusal(err)
	case isMissing(err):
		return false, nil
	case err != nil:
		sample.Notes = append(sample.Notes, c.directory.reading(name, err).Error())
		return false, nil
	}
	if err := parse(text); err != nil {
		sample.Notes = append(sample.Notes, c.directory.reading(name, err).Error())
	}
	return true, nil
}

// refusal tells why there are no figures.
func (c *collector) refusal(err error) error {
	switch {
	case isGone(err), isMissing(err) && c.answered:
		return fmt.Errorf("the shmfs at %s is gone: %w", c.directory, ErrGone)
	case isMissing(err):
		return fmt.Errorf("%w: the daemon is of a version without it: mount anew", c.directory.reading("stats", err))
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: use sudo", c.directory.reading("stats", err))
	}
	return c.directory.reading("stats", err)
}

// detail looks closely at an object, which is nil if it has gone.
func (c *collector) detail(object *Object, request Request) *Detail {
	detail := &Detail{Name: request.Name}
	if object == nil {
		detail.Note = "it has no name any more"
		return detail
	}
	if text, err := c.directory.read("object/" + request.Name); err == nil {
		detail.Facts = slices.DeleteFunc(parseFacts(text), func(fact Fact) bool {
			return fact.Key == "mapper" || fact.Key == "open" // the tables have them
		})
	}
	if object.Type != "file" || request.Cells < 1 {
		return detail
	}
	pages, err := c.directory.pagesOf(request.Name, request.Cells)
	if err != nil {
		detail.Note = err.Error()
		return detail
	}
	detail.Pages = pages
	return detail
}
