package fs

import "testing"

// BenchmarkLongTexts measures what a table of 10,000 objects takes: to make it, to note it at its open, what tells it from others while it is read,
// and to read it to its end in pieces as cat(1) does.
func BenchmarkLongTexts(b *testing.B) {
	m := newMortal(b)
	defer m.end()
	m.makeNames("a", 10_000)
	text, err := m.f.infoText(infoObjects, asker{})
	if err != nil || len(text) <= mostKept {
		b.Fatalf("a text of %d bytes: %v", len(text), err)
	}
	b.Run("making", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, err := m.f.infoText(infoObjects, asker{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("noting", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		words := make([]uint64, handleWords)
		for b.Loop() {
			m.f.recordOpenText(&handle{id: 1, info: &openInfo{text: text}}, words)
		}
	})
	b.Run("telling", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			sumOf(sumOfNothing, text)
		}
	})
	b.Run("reading", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		opened := m.openText(infoObjects)
		for b.Loop() {
			if _, err := m.wholeText(opened, 128<<10, func() {}); err != nil {
				b.Fatal(err)
			}
		}
		m.release(infoObjects, opened)
	})
}
