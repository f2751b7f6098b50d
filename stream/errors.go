package stream

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/wal"
)

var (
	// ErrClosed is returned by appends to a stream that was closed and by a closed engine.
	ErrClosed = errors.New("stream: closed")
	// ErrGone is returned when the stream was deleted or is not known here.
	ErrGone = errors.New("stream: no such stream")
	// ErrDead is returned once the write-ahead log died; nothing is appended afterwards.
	ErrDead = errors.New("stream: the write-ahead log is dead")
	// ErrFenced is returned by a Catalog, and then by the engine, when this broker epoch is fenced: what it
	// would commit is refused for ever. The owner ends the process.
	ErrFenced = errors.New("stream: this broker epoch is fenced")
	// ErrNoObject is returned by Catalog.Lookup and Catalog.Checkpoint when there is nothing to find.
	ErrNoObject = errors.New("stream: no object holds it")
	// ErrOutOfRange is the class of OutOfRangeError.
	ErrOutOfRange = errors.New("stream: offset out of range")
	// ErrDamaged is the class of DamageError.
	ErrDamaged = errors.New("stream: damaged")
	// ErrHole is the class of HoleError.
	ErrHole = errors.New("stream: offsets are lost")
	// ErrVersion is returned for an object that a newer weir wrote.
	ErrVersion = errors.New("stream: object has a newer format; read it with the weir that wrote it")
	// ErrStore is returned by reads of an object that the store has, as far as anybody knows, and does not give now.
	ErrStore = errors.New("stream: the object store does not give it")
	// ErrRefused is returned by Flush and Rescue when some ranges cannot be committed: holed, or refused.
	ErrRefused = errors.New("stream: some ranges cannot be committed")
	// ErrStuck is returned by Recover for entries that contradict each other or metadata.
	ErrStuck = errors.New("stream: entries of the log contradict metadata")
)

// ID names a stream. Ids are issued once and never reused.
type ID = wal.StreamID

// Epoch is a leader epoch; it names one range of a stream.
type Epoch = wal.Epoch

// OutOfRangeError is the answer to a read below the log start offset.
type OutOfRangeError struct {
	ID       ID
	Offset   int64
	LogStart int64
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("stream: offset %d of stream %d is below its log start offset %d", e.Offset, e.ID, e.LogStart)
}

// Is makes the error one of ErrOutOfRange.
func (e *OutOfRangeError) Is(target error) bool { return target == ErrOutOfRange }

// DamageError names bytes that are there but wrong, or missing where metadata says they are. The offsets
// [From, To) of the stream cannot be read from there; what follows can.
type DamageError struct {
	Key      string // of the object, "" when the write-ahead log is damaged
	Position int64  // byte in the object, or position in the log
	ID       ID     // 0 when the object's index or footer is damaged and offsets are not known from it
	Epoch    Epoch
	From, To int64
	Why      string
	Err      error // underlying cause, may be nil
}

func (e *DamageError) Error() string {
	where := "object " + e.Key
	if e.Key == "" {
		where = "the write-ahead log"
	}
	s := fmt.Sprintf("stream: %s is damaged at byte %d: %s; offsets [%d, %d) of stream %d epoch %d cannot be read",
		where, e.Position, e.Why, e.From, e.To, e.ID, e.Epoch)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is makes the error one of ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// Unknown is the To of a hole whose end nobody knows.
const Unknown int64 = -1

// HoleError names offsets of one range that should be there and are not: reads inside fail, nothing
// skips them, and the range is not committed past them.
type HoleError struct {
	ID    ID
	Epoch Epoch
	From  int64
	To    int64 // exclusive; Unknown when the range's end is not known
	Why   string
}

func (e *HoleError) Error() string {
	to := "its unknown end"
	if e.To != Unknown {
		to = fmt.Sprint(e.To)
	}
	return fmt.Sprintf("stream: offsets from %d to %s of stream %d epoch %d are lost: %s",
		e.From, to, e.ID, e.Epoch, e.Why)
}

// Is makes the error one of ErrHole.
func (e *HoleError) Is(target error) bool { return target == ErrHole }

// covers reports whether offset lies in the hole.
func (e *HoleError) covers(offset int64) bool {
	return e != nil && offset >= e.From && (e.To == Unknown || offset < e.To)
}
