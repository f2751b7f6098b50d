package host

import "io"

// Disk gives access to a machine's volumes and to memory fit for direct I/O.
type Disk interface {
	// Volume attaches the volume called name and returns it. Attaching an attached volume returns the
	// same one. Who holds a volume is metadata's affair, not the disk's.
	Volume(sc *Scope, name string) (Volume, error)
	// Memory returns n zeroed bytes, page-aligned and off the Go heap in production, for slabs that
	// live as long as the process. It is never given back.
	Memory(n int) ([]byte, error)
}

// Flag modifies Volume.Open.
type Flag uint32

const (
	// Create makes the file if it is missing, and its missing parent directories. The new names are
	// durable only after SyncDir of each directory that gained an entry.
	Create Flag = 1 << iota
	// Exclusive with Create fails with ErrExist if the file exists.
	Exclusive
	// Direct asks for I/O that bypasses the page cache. Where the file system refuses, the file is
	// opened without it; File.Align tells.
	Direct
	// ReadOnly opens for reading; writes fail.
	ReadOnly
)

// Volume is a file system that outlives the machine it is attached to. Paths are slash-separated and
// relative to the volume's root, without "..". Errors wrap ErrNotExist, ErrExist, ErrNoSpace, ErrLocked.
//
// Names (create, rename, link, remove) are durable only after SyncDir of the directory that changed.
type Volume interface {
	Open(path string, flag Flag) (File, error)
	// Rename replaces to atomically if it exists.
	Rename(from, to string) error
	// Link gives from a second name; ErrExist if to exists. It is put-if-absent.
	Link(from, to string) error
	// Remove deletes a file or an empty directory.
	Remove(path string) error
	// List returns dir's entries sorted by name; "" is the root. ErrNotExist if dir is missing.
	List(dir string) ([]Entry, error)
	// SyncDir makes dir's entries durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on path (created if missing) or fails at once with ErrLocked.
	// Getting it proves on a local file system that the last holder is dead; failing proves nothing.
	Lock(path string) (io.Closer, error)
	// Space returns free and total bytes.
	Space() (free, total int64, err error)
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Size int64 // bytes; 0 for a directory
	Dir  bool
}

// File is an open file of a Volume. ReadAt and WriteAt may run at the same time on disjoint ranges.
// On a file opened Direct, offset, length and memory address must be multiples of Align; a misaligned
// call is a bug and panics in both hosts.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync is fdatasync: when it returns nil every write that returned before it was called is durable,
	// and the file's size. After one error every later call on this File fails.
	Sync() error
	// Resize sets the size; new bytes read as zero, and have their room on the medium where the file system can
	// reserve it: then it is ErrNoSpace here, with the size as it was, and not at a write later.
	Resize(size int64) error
	Size() (int64, error)
	// Align is 1, or what direct I/O asks of offset, length and memory address.
	Align() int
}
