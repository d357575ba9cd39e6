package top

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// What a cell of a map of pages says of its part of the object.
const (
	cellNone = '.' // no page of it is there
	cellSome = '+'
	cellAll  = '#'
)

// Pages is the map of which pages of an object are there.
type Pages struct {
	Cell  int64  // bytes that a cell stands for, a multiple of the page size
	Cells []byte // of cellNone, cellSome, cellAll; empty for an object of size 0
}

// seek is lseek(2) with SEEK_DATA or SEEK_HOLE.
type seek func(offset int64, whence int) (int64, error)

// pagesOf looks at the pages of an object, with as many cells at most. It opens the object for a moment and asks with lseek(2)
// where data are, which touches no page, as mapping and looking would.
func (d directory) pagesOf(name string, cells int) (*Pages, error) {
	descriptor, err := d.open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	defer unix.Close(descriptor)
	var found unix.Stat_t
	if err := unix.Fstat(descriptor, &found); err != nil {
		return nil, err
	}
	if found.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("it is no file")
	}
	return mapPages(found.Size, cells, func(offset int64, whence int) (int64, error) {
		return unix.Seek(descriptor, offset, whence)
	})
}

// mapPages makes the map of an object of a size. It seeks at most twice a cell, however the pages lie.
func mapPages(size int64, cells int, seek seek) (*Pages, error) {
	page := int64(os.Getpagesize())
	length := (size/int64(cells)/page + 1) * page // enough, and no more than a page beyond
	if size%(int64(cells)*page) == 0 && size > 0 {
		length = size / int64(cells)
	}
	pages := &Pages{Cell: length}
	data, hole := int64(0), int64(0) // the first data that end behind the cell's start, and their end
	for start, end := int64(0), int64(0); start < size; start = end {
		end = start + min(length, size-start)
		if hole <= start {
			var err error
			if data, hole, err = nextData(seek, start, size); err != nil {
				return nil, err
			}
		}
		pages.Cells = append(pages.Cells, cellOf(start, end, data, hole))
	}
	return pages, nil
}

// nextData returns where the next data are and where they end; both are the object's size where there are no more.
func nextData(seek seek, from, size int64) (data, hole int64, err error) {
	if data, err = position(seek, from, unix.SEEK_DATA, size); err != nil || data >= size {
		return size, size, err
	}
	hole, err = position(seek, data, unix.SEEK_HOLE, size)
	return data, max(hole, data+1), err // never where it would be asked for ever
}

// cellOf says what there is from start to end, where the data that end behind start reach from data to hole.
func cellOf(start, end, data, hole int64) byte {
	switch {
	case data >= end:
		return cellNone
	case data <= start && hole >= end:
		return cellAll
	}
	return cellSome
}

// position seeks; where there are no more data it is the object's end.
func position(seek seek, offset int64, whence int, size int64) (int64, error) {
	found, err := seek(offset, whence)
	switch {
	case errors.Is(err, unix.ENXIO):
		return size, nil
	case err != nil:
		return 0, fmt.Errorf("seeking: %w", err)
	case found < offset:
		return 0, errors.New("seeking: it leads backwards")
	}
	return found, nil
}
