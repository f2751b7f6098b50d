package fsck

// Cache remembers what cannot change between checks of one cluster: parsed objects and applied metadata. The zero value
// is empty and ready.
type Cache struct {
	objects map[string]*object
	meta    *applied
}
