package metadata

import "errors"

var (
	// ErrCorrupt is returned for bytes that are no command or snapshot: a bad checksum, length or field.
	ErrCorrupt = errors.New("metadata: corrupt")
	// ErrNewer is returned for bytes in a format newer than this program knows. Use the newer program.
	ErrNewer = errors.New("metadata: format is newer than this program")
)
