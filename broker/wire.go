package broker

import "encoding/binary"

// wire appends Kafka's primitive types to a buffer, in the classic or the flexible (KIP-482) encoding.
type wire struct {
	buf      []byte
	flexible bool
}

func (w *wire) i16(v int16) { w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(v)) }
func (w *wire) i32(v int32) { w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(v)) }
func (w *wire) i64(v int64) { w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(v)) }

// arrayLen starts an array of n elements.
func (w *wire) arrayLen(n int) {
	if w.flexible {
		w.buf = binary.AppendUvarint(w.buf, uint64(n)+1)
	} else {
		w.i32(int32(n))
	}
}

// bytesLen starts a byte field of n bytes, which the caller appends or sends behind the buffer.
func (w *wire) bytesLen(n int) { w.arrayLen(n) }

func (w *wire) str(s string) {
	if w.flexible {
		w.buf = binary.AppendUvarint(w.buf, uint64(len(s))+1)
	} else {
		w.i16(int16(len(s)))
	}
	w.buf = append(w.buf, s...)
}

// nullableStr writes s, or null for the empty string.
func (w *wire) nullableStr(s string) {
	switch {
	case s != "":
		w.str(s)
	case w.flexible:
		w.buf = append(w.buf, 0)
	default:
		w.i16(-1)
	}
}

// tags ends a structure that carries no tagged fields.
func (w *wire) tags() {
	if w.flexible {
		w.buf = append(w.buf, 0)
	}
}

// header starts a response: room for the length, the correlation id, the header's tags.
func (w *wire) header(correlation int32) {
	w.i32(0)
	w.i32(correlation)
	w.tags()
}
