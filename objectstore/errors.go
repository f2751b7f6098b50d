package objectstore

import "errors"

var (
	// ErrNotFound is returned by GetRange and Head when the key has no object.
	ErrNotFound = errors.New("objectstore: no such object")
	// ErrExists is returned by PutIfAbsent when the key has an object.
	ErrExists = errors.New("objectstore: object exists")
	// ErrExistsUnknown accompanies ErrExists (errors.Is holds for both) when an earlier attempt of the
	// same PutIfAbsent had an unknown outcome and the object that is there could not be read: it may be the
	// caller's own.
	ErrExistsUnknown = errors.New("objectstore: an earlier attempt had no answer and may have won")
	// ErrRange is returned by GetRange when the object is shorter than the range asked for.
	ErrRange = errors.New("objectstore: range is beyond the object")
	// ErrTerminal is the class of errors that no retry mends: no such bucket, an invalid key, and ErrDenied,
	// which only time may mend. Test with errors.Is; the text says what to do.
	ErrTerminal = errors.New("objectstore: cannot succeed by trying again")
	// ErrBadKey is returned for a key that no store accepts; it is terminal.
	ErrBadKey error = &terminalError{"objectstore: bad key"}
)

// terminalError is a sentinel that belongs to the ErrTerminal class without repeating its text.
type terminalError struct{ text string }

func (e *terminalError) Error() string        { return e.text }
func (e *terminalError) Is(target error) bool { return target == ErrTerminal }

// Terminal returns an error with err's text and chain that is also ErrTerminal.
func Terminal(err error) error { return &terminalWrap{err} }

type terminalWrap struct{ err error }

func (e *terminalWrap) Error() string        { return e.err.Error() }
func (e *terminalWrap) Unwrap() error        { return e.err }
func (e *terminalWrap) Is(target error) bool { return target == ErrTerminal }

// Definite reports whether err is an answer or a refusal that stays the same when the call is repeated at
// once: ErrNotFound, ErrExists, ErrRange or ErrTerminal.
func Definite(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) ||
		errors.Is(err, ErrRange) || errors.Is(err, ErrTerminal)
}
