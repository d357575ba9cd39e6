// Package quota holds mounts to docs/quotas.md: what users may hold, to the byte and to the object, whatever they call and however many of
// them at once. Users are processes of their own (actor_test.go).
package quota
