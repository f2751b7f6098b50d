package fsck

// object is a parsed object.
type object struct{ size int64 }

// applied is the metadata up to an entry of its log.
type applied struct{ index uint64 }
