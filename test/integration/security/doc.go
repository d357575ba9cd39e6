// Package security tests on real mounts what docs/security.md claims: other users, containers, clients that map files, and people who own the
// directory of a store try to get more than is theirs.
package security
