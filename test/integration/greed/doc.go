// Package greed has one user go to each limit (docs/limits.md) on real mounts, and another measure whether anything comes of it.
package greed
