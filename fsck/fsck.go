package fsck

import "errors"

// Image is the files of one volume as they were at one instant.
type Image interface {
	// Files returns the paths of all files, sorted, parts joined by slashes.
	Files() []string
	// Read returns the content of a file. fsck does not change it and keeps parts of it until Check returns, and in
	// Report.Streams if Options.Keep is set.
	Read(path string) ([]byte, error)
}

// Opener is an Image whose files need not be read as a whole; Check uses it for rings where it is there.
type Opener interface {
	Open(path string) (File, error)
}

// File is one file of an Opener.
type File interface {
	ReadAt(p []byte, off int64) (int, error)
	Size() int64
	Close() error
}

// Object is a key of a bucket and its size in bytes.
type Object struct {
	Key  string
	Size int64
}

// ErrMissing is returned by Bucket.Get for a key that is not there.
var ErrMissing = errors.New("fsck: no object at this key")

// Bucket is the object store as it was at one instant.
type Bucket interface {
	// List returns every object, in any order.
	List() ([]Object, error)
	// Get returns an object's bytes, or an error that wraps ErrMissing. fsck does not change them. A Bucket that
	// returns the very same slice again spares a check with a Cache the second look.
	Get(key string) ([]byte, error)
}

// Options modify a Check. The zero value is good.
type Options struct {
	// Node is the volume "node" with the identity file; nil if it is not to be looked at.
	Node Image
	// Batch is called for each record batch in the log of each partition: streams by id, offsets rising, each offset
	// once. Its bytes are only lent. nil for none.
	Batch func(Batch)
	// Keep keeps the batches in Report.Streams.
	Keep bool
	// Cache remembers what cannot change between checks of one cluster; nil for none.
	Cache *Cache
	// Stopped demands that the node has stopped in order: clean mark, nothing owed, no torn tail, ranges closed.
	Stopped bool
	// Crashed says that power may have failed while something was written: one changed byte may be a torn sector, and
	// a fence word parts of two.
	Crashed bool
	// NoLeaks makes findings of keys that nothing refers to, also of those that are still to be swept.
	NoLeaks bool
	// Quick looks at keys and sizes of objects, not into them.
	Quick bool
	// Progress is called now and then with what is being read and how much of it is done; nil for none.
	Progress func(what string, done, total int64)
}

// Check checks a metadata volume, a WAL volume and a bucket of one node. meta may be nil for a node that was never
// started, wal likewise. It returns when everything that can be judged has been.
func Check(meta, wal Image, bucket Bucket, o Options) *Report {
	c := newChecker(bucket, o)
	c.nodes, c.wal = []*member{{Node: Node{Meta: meta, Node: o.Node}}}, wal
	c.run()
	return c.report
}
