// Package top is the live view of a mount: totals, objects and semaphores, and who uses the one that is selected.
//
// Everything shown is read from files of the mount's own directory (docs/inspection.md), by a Sampler on a goroutine of its own and
// with a deadline, so that a mount that hangs holds up no key. What a sample says goes into the Model, which makes screens of it:
//
//	files of the mount -> Sampler -> Sample -> Model -> lines of a screen -> terminal
//
// Names and commands are anybody's to choose: every one of them goes through table.Escape before it is put on a line.
//
// Known missing: which pages of an object are huge is told as a figure, not page by page, since no file of the mount tells more.
package top
