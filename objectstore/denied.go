package objectstore

import (
	"errors"
	"time"
)

// ErrDenied is wrapped by a refusal of who asks and not of what is asked: credentials that have expired, a clock
// that is off, a policy that is being changed. It is terminal, and yet WithRetry tries it again for a bounded
// time, because a rotation of credentials or a step of the clock mends it.
var ErrDenied error = &terminalError{"objectstore: access denied"}

// Denied returns an error with err's text and chain that is also ErrDenied and ErrTerminal.
func Denied(err error) error { return &deniedWrap{err} }

type deniedWrap struct{ err error }

func (e *deniedWrap) Error() string { return e.err.Error() }
func (e *deniedWrap) Unwrap() error { return e.err }
func (e *deniedWrap) Is(target error) bool {
	return target == ErrDenied || target == ErrTerminal
}

// RetryAfter returns an error with err's text and chain that carries the store's wish not to be asked again
// before after has passed.
func RetryAfter(err error, after time.Duration) error { return &laterWrap{err, after} }

type laterWrap struct {
	err   error
	after time.Duration
}

func (e *laterWrap) Error() string { return e.err.Error() }
func (e *laterWrap) Unwrap() error { return e.err }

// wished returns how long the store asked to be left alone, 0 if it did not say.
func wished(err error) time.Duration {
	var w *laterWrap
	if errors.As(err, &w) {
		return w.after
	}
	return 0
}
