package objectstore

import "github.com/weirmq/weir/host"

// Store holds objects under keys (see [CheckKey]). Every method blocks and returns early, with an error
// that wraps sc.Err(), when sc ends; a change that was under way then has an unknown outcome.
type Store interface {
	// Put creates or replaces the object at key, atomically. It is durable when Put returns nil.
	Put(sc *host.Scope, key string, body Body) error
	// PutIfAbsent is Put for a key that has no object; ErrExists if it has one. An error that is
	// ErrExistsUnknown as well means the object may be the caller's own.
	PutIfAbsent(sc *host.Scope, key string, body Body) error
	// GetRange fills dst with the bytes at off. A negative off reads the last -off bytes, and dst must be
	// exactly that long. ErrNotFound if there is no object, ErrRange if it does not hold the whole range.
	// After an error the content of dst is undefined.
	GetRange(sc *host.Scope, key string, off int64, dst []byte) error
	// Head tells about the object at key; ErrNotFound if there is none.
	Head(sc *host.Scope, key string) (Info, error)
	// List returns at most limit objects with keys > after that begin with prefix, in key order. Fewer
	// than limit means there are no more. The prefix need not end at a slash. limit must be positive.
	List(sc *host.Scope, prefix, after string, limit int) ([]Info, error)
	// Delete makes key absent; a missing key is no error.
	Delete(sc *host.Scope, key string) error
	// Name tells people which store this is: "file store weir-data/store", "s3 bucket b at host".
	Name() string
}

// Info is what a store tells about an object without reading it.
type Info struct {
	Key  string
	Size int64 // bytes
}
