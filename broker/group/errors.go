package group

import "errors"

// What can be wrong with stored bytes.
var (
	// ErrVersion: written by a newer version of weir.
	ErrVersion = errors.New("group record has an unknown version")
	// ErrDamaged: no record or snapshot of groups.
	ErrDamaged = errors.New("group record is damaged")
)
