package conformance

import "testing"

const (
	kernelDecides   = "the kernel answers this for every FUSE file system and does not ask the daemon"
	chargedByDesign = "commit=strict charges a size when it is set, so that no store into it can fail later"
	pageCache       = "in page-cache mode stores and reads stay in the kernel's pages; the daemon sees them at writeback"
)

// differences lists what shmfs cannot do as tmpfs does. Of several entries for a test the first that fits counts.
var differences = []difference{
	{test: "statfs/magic number", tags: "shmfs", reason: kernelDecides, instead: statfsMagicFuse},
	{test: "io/epoll refuses a regular file", tags: "shmfs", reason: kernelDecides, instead: ioEpollFuse},
	{test: "io/file seals", tags: "shmfs", reason: kernelDecides, instead: ioSealsFuse},
	{test: "readdir/seeking from the end, to data", tags: "shmfs", reason: kernelDecides, instead: readdirWhenceFuse},
	{test: "attribute/inode flags", tags: "shmfs", reason: "the kernel would not know what the store refuses because of them",
		instead: attributeNoFlags},
	{test: "special/writing into a FIFO moves its times", tags: "shmfs", reason: kernelDecides, instead: specialFifoNoStamps},

	{test: "statfs/sparse files use nothing", tags: "strict", reason: chargedByDesign, instead: statfsSparseCharged},
	{test: "statfs/pages move with fallocate and punching", tags: "strict", reason: chargedByDesign,
		instead: func(t *testing.T, dir string) { reservePages(t, dir, 5, 5) }},
	{test: "statfs/stores through mappings count", tags: "passthrough strict", reason: chargedByDesign,
		instead: func(t *testing.T, dir string) { storePages(t, dir, 0, 20, 0, 20) }},
	{test: "statfs/stores through mappings count", tags: "cached strict", reason: chargedByDesign + "; " + pageCache,
		instead: func(t *testing.T, dir string) { storePagesCached(t, dir, 0, 20) }},
	{test: "truncate/larger than the file system", tags: "strict", reason: chargedByDesign, instead: truncateLargeStrict},
	{test: "limit/ftruncate beyond the size", tags: "strict", reason: chargedByDesign, insteadMounted: limitTruncateStrict},
	{test: "limit/punching gives space to others", tags: "strict", reason: chargedByDesign, insteadMounted: limitPunchStrict},
	{test: "limit/stores into holes when full", tags: "strict", reason: chargedByDesign, insteadMounted: limitHolesStrict},

	{test: "statfs/stores through mappings count", tags: "cached lazy", reason: pageCache,
		instead: func(t *testing.T, dir string) { storePagesCached(t, dir, 20, 20) }},
	{test: "limit/stores into holes when full", tags: "cached lazy", reason: pageCache, insteadMounted: limitHolesCached},
	{test: "seek/data stored through a mapping", tags: "cached", reason: pageCache, instead: seekMappedCached},
	{test: "seek/pages only read through a mapping", tags: "cached", reason: pageCache, instead: seekReadMappedCached},
	{test: "memory/populated and locked holes take pages", tags: "cached", reason: pageCache,
		instead: func(t *testing.T, dir string) { memoryPages(t, dir, 0, 0) }},
	{test: "memory/a hole is not resident", tags: "cached", reason: pageCache, instead: memoryResidencyHoleCached},
}
