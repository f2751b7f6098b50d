package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrDead is returned once a write, a sync or the fence has failed: the log does no further writes
	// and the outcome of whatever was in flight is not known.
	ErrDead = errors.New("wal: log is dead")
	// ErrFenced is what a log dies of when its fence says that another holder has the volume. It is
	// reported together with ErrDead.
	ErrFenced = errors.New("wal: fenced: this process does not hold the volume any more")
	// ErrLease is what a log dies of when its holder's lease will never be held again, or the holder has stopped
	// asking for it. It is reported together with ErrDead.
	ErrLease = errors.New("wal: the holder's lease is over")
	// ErrClosed is returned by Append and ReadAt after Close.
	ErrClosed = errors.New("wal: log is closed")
	// ErrReadOnly is returned by Append to a log that OpenReadOnly opened.
	ErrReadOnly = errors.New("wal: log is another holder's and only read")
	// ErrTooLarge is returned by Append for an entry that no frame can carry; see Log.MaxEntry.
	ErrTooLarge = errors.New("wal: entry is larger than a frame can carry")
	// ErrTrimmed is returned by ReadAt for bytes below the trim position: their space may be reused.
	ErrTrimmed = errors.New("wal: position was trimmed")

	// ErrNoRoom is returned by Format when the volume has no room for the ring. It is host.ErrNoSpace, too.
	ErrNoRoom = errors.New("the volume has no room for a ring")
	// ErrMissing is returned by Open when the file is not there although metadata says the WAL is open.
	ErrMissing = errors.New("wal: file is missing")
	// ErrBlank is returned by Open for a file without any superblock.
	ErrBlank = errors.New("wal: volume is blank")
	// ErrForeign is returned for a volume of another cluster, another volume id or another WAL.
	ErrForeign = errors.New("wal: volume is foreign")
	// ErrGeneration is returned by Open for a volume whose generation or broker epoch contradicts
	// metadata: one of the two is an old copy.
	ErrGeneration = errors.New("wal: volume and metadata disagree about the generation")
	// ErrSuperblock is returned by Open when no superblock can be believed.
	ErrSuperblock = errors.New("wal: superblocks are damaged")
	// ErrVersion is returned by Open for a volume of a newer format.
	ErrVersion = errors.New("wal: volume has a newer format")
	// ErrExists is returned by Format when the file already carries a WAL.
	ErrExists = errors.New("wal: file already carries a WAL")
	// ErrDamage is the class of every DamageError.
	ErrDamage = errors.New("wal: damaged")
)

// What to do about a volume that is refused.
const (
	restoreIt   = "attach or restore the volume that metadata names, or accept its loss"
	oldMetadata = "metadata was restored from an old copy: restore the current one"
	oldVolume   = "the volume is an old copy: attach the current one"
)

// DamageError names bytes that the log cannot give back although they were written. It answers
// errors.Is(err, ErrDamage).
type DamageError struct {
	Name     string   // of the file
	Position Position // of the first bad byte that is known, or of the block that holds it
	Offset   int64    // of that byte in the file
	Why      string
}

// Error says what is damaged and where.
func (e *DamageError) Error() string {
	return fmt.Sprintf("wal: %s damaged at position %d (file offset %d): %s",
		e.Name, e.Position, e.Offset, e.Why)
}

// Is reports whether target is ErrDamage.
func (e *DamageError) Is(target error) bool { return target == ErrDamage }

// deadError wraps the cause of a log's death so that both ErrDead and the cause are found by errors.Is.
type deadError struct{ cause error }

func (e *deadError) Error() string        { return "wal: log is dead after: " + e.cause.Error() }
func (e *deadError) Unwrap() error        { return e.cause }
func (e *deadError) Is(target error) bool { return target == ErrDead }
