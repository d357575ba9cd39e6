package top

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// pageList is an object whose pages are there or not.
type pageList []bool

// seek is lseek(2) on it.
func (p pageList) seek(size int64) (seek, *int) {
	page, count := int64(os.Getpagesize()), new(int)
	return func(offset int64, whence int) (int64, error) {
		*count++
		if offset >= size {
			return 0, unix.ENXIO
		}
		for i := offset / page; i < int64(len(p)); i++ {
			if p[i] == (whence == unix.SEEK_DATA) {
				return min(max(offset, i*page), size), nil
			}
		}
		if whence == unix.SEEK_DATA {
			return 0, unix.ENXIO
		}
		return size, nil
	}, count
}

func TestMapOfPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		page := int64(os.Getpagesize())
		list := pageList(rapid.SliceOfN(rapid.Bool(), 0, 60).Draw(t, "pages"))
		cells := rapid.IntRange(1, 70).Draw(t, "cells")
		size := max(0, int64(len(list))*page-rapid.Int64Range(0, page-1).Draw(t, "short"))
		seek, count := list.seek(size)
		pages, err := mapPages(size, cells, seek)
		if err != nil {
			t.Fatal(err)
		}
		if len(pages.Cells) > cells || *count > 2*len(pages.Cells) || pages.Cell%page != 0 {
			t.Fatalf("%d cells of %d bytes took %d calls", len(pages.Cells), pages.Cell, *count)
		}
		want := ""
		for start := int64(0); start < size; start += pages.Cell {
			there, all := 0, 0
			for i := start / page; i*page < min(start+pages.Cell, size); i++ {
				all++
				if list[i] {
					there++
				}
			}
			switch there {
			case 0:
				want += "."
			case all:
				want += "#"
			default:
				want += "+"
			}
		}
		if string(pages.Cells) != want {
			t.Fatalf("%v is %s, want %s", list, pages.Cells, want)
		}
	})
}

func TestMapOfPagesEnds(t *testing.T) {
	if pages, err := mapPages(1<<20, 16, func(offset int64, _ int) (int64, error) { return offset, nil }); err != nil || len(pages.Cells) != 16 {
		t.Errorf("%+v, %v", pages, err)
	}
	if _, err := mapPages(1<<20, 16, func(offset int64, _ int) (int64, error) { return offset - 1, nil }); err == nil {
		t.Error("it goes backwards")
	}
	if _, err := mapPages(1<<20, 16, func(int64, int) (int64, error) { return 0, unix.EIO }); !errors.Is(err, unix.EIO) {
		t.Error(err)
	}
	if pages, err := mapPages(1<<63-1, 100, pageList(nil).mustSeek()); err != nil || len(pages.Cells) > 100 {
		t.Errorf("%v", err)
	}
}

func (p pageList) mustSeek() seek {
	seek, _ := p.seek(1<<63 - 1)
	return seek
}
