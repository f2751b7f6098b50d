package lease

import (
	"time"

	"github.com/weirmq/weir/host"
)

// sent is a heartbeat without an answer.
type sent struct {
	number uint64
	at     host.Time
	wall   time.Time
}

// sentMax bounds the heartbeats that wait for an answer: older ones would bring no lease any more.
const sentMax = 64

// Holder is the broker's side: how long it may acknowledge. Rule 2 of the protocol, and A37's veto of the wall
// clock, are its.
type Holder struct {
	cfg    Config
	number uint64
	out    []sent // oldest first
	until  host.Time
	sentAt time.Time // the wall clock at the sending that until counts from
	fenced bool
}

// NewHolder returns a side that holds no lease. cfg is filled in.
func NewHolder(cfg Config) *Holder { return &Holder{cfg: cfg} }

// Send notes that a heartbeat is about to be sent, and returns its number. It must be called before the first
// byte of it leaves.
func (h *Holder) Send(now host.Time, wall time.Time) uint64 {
	h.number++
	if len(h.out) == sentMax {
		h.out = append(h.out[:0], h.out[1:]...)
	}
	h.out = append(h.out, sent{h.number, now, wall})
	return h.number
}

// Granted takes the answer to a heartbeat: the lease runs from when that one was sent. Answers may be late,
// repeated or out of order. It tells whether the lease became longer.
func (h *Holder) Granted(number uint64) bool {
	for i, s := range h.out {
		if s.number != number {
			continue
		}
		h.out = append(h.out[:0], h.out[i+1:]...) // earlier ones bring less
		if until := s.at.Add(h.cfg.Length); until > h.until {
			h.until, h.sentAt = until, s.wall
			return true
		}
	}
	return false
}

// Fenced ends the holder for ever: the controllers say that its epoch is not live.
func (h *Holder) Fenced() { h.fenced, h.until, h.out = true, 0, nil }

// Over tells whether Fenced was called: the process must end.
func (h *Holder) Over() bool { return h.fenced }

// Held tells whether the lease is held at now. The wall clock has a veto and no vote: where more of it has
// passed than of the other, the machine may have stood still.
func (h *Holder) Held(now host.Time, wall time.Time) bool {
	return now < h.until && wall.Sub(h.sentAt) < h.cfg.Length
}

// Until is when the lease ends, as far as is known.
func (h *Holder) Until() host.Time { return h.until }
