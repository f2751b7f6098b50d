package api

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is returned for bytes that are no message.
var ErrMalformed = errors.New("controller api: malformed message")

// writer puts fields one behind the other, little-endian.
type writer []byte

func (w *writer) u8(v uint8)   { *w = append(*w, v) }
func (w *writer) u32(v uint32) { *w = binary.LittleEndian.AppendUint32(*w, v) }
func (w *writer) u64(v uint64) { *w = binary.LittleEndian.AppendUint64(*w, v) }

func (w *writer) bytes(p []byte) {
	w.u32(uint32(len(p)))
	*w = append(*w, p...)
}

func (w *writer) flag(v bool) {
	if v {
		w.u8(1)
	} else {
		w.u8(0)
	}
}

// reader takes fields off. Past the end it gives zeros and is bad.
type reader struct {
	p   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.p) {
		r.bad = true
		return nil
	}
	b := r.p[:n:n]
	r.p = r.p[n:]
	return b
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) bytes() []byte {
	if n := r.u32(); uint64(n) <= uint64(len(r.p)) {
		return r.take(int(n))
	}
	r.bad = true
	return nil
}

func (r *reader) flag() bool {
	v := r.u8()
	r.bad = r.bad || v > 1
	return v == 1
}

// count returns the length of a list whose items take at least size bytes each.
func (r *reader) count(size int) int {
	n := r.u32()
	if uint64(n)*uint64(size) > uint64(len(r.p)) {
		r.bad = true
		return 0
	}
	return int(n)
}

// end is the error of a message that was read. What a newer program put behind it is passed over.
func (r *reader) end(what string) error {
	if r.bad {
		return fmt.Errorf("%w: %s is cut short", ErrMalformed, what)
	}
	return nil
}
