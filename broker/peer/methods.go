package peer

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/rpc"
)

// The methods. All may be large.
const (
	MethodHandOver = rpc.BulkMethod | 64 // HandOver; nothing
	MethodStateAt  = rpc.BulkMethod | 65 // StateAt; a state's bytes
	MethodReadOwed = rpc.BulkMethod | 66 // ReadOwed; Owed
)

// The refusals.
const (
	CodeNotReady  = rpc.CodeFirst + iota // the broker does not serve yet, or has left: ask again, or look who does
	CodeNotHolder                        // the WAL is not this broker's: look in metadata who holds it
	CodeNotSealed                        // the range is not closed here, or not at that end
	CodeFull                             // no room to keep a hand-over: the state will be asked for
	CodeLost                             // the offset is lost, or its bytes are damaged: nobody has them
	CodeInvalid                          // the request makes no sense
)

// Limits. A state is one entry of a WAL, so it fits a slab; so does each entry of an answer.
const (
	EntryMax    = 16 << 20           // bytes of a state, or of one entry
	RequestMax  = EntryMax + 4<<10   // of a HandOver
	ReadMax     = 4 << 20            // bytes that a ReadOwed may ask for; its first entry may have more
	EntriesMax  = 64 << 10           // of one answer
	requestMean = 4 << 10            // of a request without a state
	answerMax   = EntryMax + ReadMax // bytes of entries in one answer, with room to spare
)

// Refuse is a refusal.
func Refuse(code rpc.Code, format string, args ...any) *rpc.Status {
	return &rpc.Status{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Refused reports whether err is the other side's no with code.
func Refused(err error, code rpc.Code) bool {
	var s *rpc.Status
	return errors.As(err, &s) && s.Code == code
}

// ErrMalformed is returned for bytes that are no message, or one that breaks a limit.
var ErrMalformed = errors.New("peer: malformed message")

func malformed(what, why string) error { return fmt.Errorf("%w: %s: %s", ErrMalformed, what, why) }
