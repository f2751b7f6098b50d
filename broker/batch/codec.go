package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is how a batch's records are compressed; the values are the wire's.
type Codec uint8

// The codecs of format 2.
const (
	None Codec = iota
	Gzip
	Snappy // raw block, or the framing of Java's library
	LZ4    // LZ4 frame
	Zstd
)

var codecNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// String is the name that settings and tools use.
func (c Codec) String() string {
	if int(c) < len(codecNames) {
		return codecNames[c]
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// ParseCodec is String's inverse.
func ParseCodec(name string) (Codec, error) {
	for i, n := range codecNames {
		if n == name {
			return Codec(i), nil
		}
	}
	return 0, fmt.Errorf("parse codec %q (none, gzip, snappy, lz4 or zstd): %w", name, ErrCodec)
}

// unpacker decompresses payloads. It keeps library state between calls, never payload.
type unpacker struct {
	limit int // bytes
	gz    *gzip.Reader
	lz    *lz4.Reader
	zs    *zstd.Decoder
	src   bytes.Reader
}

// unpack returns src unpacked, in dst's memory where it fits. No library may start goroutines: the
// options below keep all of them off.
func (u *unpacker) unpack(dst []byte, c Codec, src []byte) ([]byte, error) {
	switch c {
	case None:
		return src, nil
	case Gzip:
		return u.unpackGzip(dst, src)
	case Snappy:
		return unpackSnappy(dst, src, u.limit)
	case LZ4:
		return u.unpackLZ4(dst, src)
	case Zstd:
		return u.unpackZstd(dst, src)
	}
	return nil, fmt.Errorf("unpack %v: %w", c, ErrCodec)
}

func (u *unpacker) unpackGzip(dst, src []byte) ([]byte, error) {
	u.src.Reset(src)
	if u.gz == nil {
		u.gz = new(gzip.Reader)
	}
	if err := u.gz.Reset(&u.src); err != nil {
		return nil, fmt.Errorf("unpack gzip: %w: %v", ErrPayload, err)
	}
	return readLimited(dst, u.gz, u.limit, Gzip)
}

func (u *unpacker) unpackLZ4(dst, src []byte) ([]byte, error) {
	u.src.Reset(src)
	if u.lz == nil {
		u.lz = lz4.NewReader(nil)
		if err := u.lz.Apply(lz4.ConcurrencyOption(1)); err != nil {
			return nil, fmt.Errorf("unpack lz4: set up the reader: %w", err)
		}
	}
	u.lz.Reset(&u.src)
	return readLimited(dst, u.lz, u.limit, LZ4)
}

func (u *unpacker) unpackZstd(dst, src []byte) ([]byte, error) {
	if u.zs == nil {
		zs, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(u.limit)))
		if err != nil {
			return nil, fmt.Errorf("unpack zstd: set up the decoder: %w", err)
		}
		u.zs = zs
	}
	out, err := u.zs.DecodeAll(src, dst[:0])
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, fmt.Errorf("unpack zstd, limit %d: %w", u.limit, ErrUnpacked)
	case err != nil:
		return nil, fmt.Errorf("unpack zstd: %w: %v", ErrPayload, err)
	case len(out) > u.limit:
		return nil, fmt.Errorf("unpack zstd: %d bytes, limit %d: %w", len(out), u.limit, ErrUnpacked)
	}
	return out, nil
}

// readLimited reads r to its end into dst's memory, growing it by doubling up to limit.
func readLimited(dst []byte, r io.Reader, limit int, c Codec) ([]byte, error) {
	dst = dst[:0]
	for {
		if len(dst) > limit {
			return nil, fmt.Errorf("unpack %v, limit %d: %w", c, limit, ErrUnpacked)
		}
		if len(dst) == cap(dst) {
			grown := make([]byte, len(dst), max(512, min(2*cap(dst), limit+1)))
			copy(grown, dst)
			dst = grown
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF && len(dst) <= limit {
			return dst, nil
		}
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("unpack %v: %w: %v", c, ErrPayload, err)
		}
	}
}

// xerialMagic opens the framing of Java's snappy library: magic, two version words, then blocks, each
// behind its length.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16 // magic, version, oldest compatible version

func unpackSnappy(dst, src []byte, limit int) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialMagic) {
		return unpackSnappyBlock(dst[:0], src, limit)
	}
	if len(src) < xerialHeader {
		return nil, fmt.Errorf("unpack snappy: frame header of %d bytes: %w", len(src), ErrPayload)
	}
	out := dst[:0]
	for src = src[xerialHeader:]; len(src) > 0; {
		if len(src) < 4 {
			return nil, fmt.Errorf("unpack snappy: %d bytes behind the last block: %w", len(src), ErrPayload)
		}
		n := int64(binary.BigEndian.Uint32(src))
		src = src[4:]
		if n > int64(len(src)) {
			return nil, fmt.Errorf("unpack snappy: block of %d bytes, %d left: %w", n, len(src), ErrPayload)
		}
		var err error
		if out, err = unpackSnappyBlock(out, src[:n], limit); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return out, nil
}

// unpackSnappyBlock appends one block's content to out.
func unpackSnappyBlock(out, block []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return nil, fmt.Errorf("unpack snappy: %w: %v", ErrPayload, err)
	}
	if n > limit-len(out) {
		return nil, fmt.Errorf("unpack snappy: %d bytes more than %d, limit %d: %w", n, len(out), limit, ErrUnpacked)
	}
	// The length is a claim: a block cannot hold more than 64 bytes for each 3 of its own.
	if int64(n) > 64*int64(len(block)) {
		return nil, fmt.Errorf("unpack snappy: %d bytes claimed by a block of %d: %w", n, len(block), ErrPayload)
	}
	at := len(out)
	if cap(out)-at < n {
		grown := make([]byte, at, at+n)
		copy(grown, out)
		out = grown
	}
	got, err := s2.Decode(out[at:at+n:at+n], block)
	if err != nil {
		return nil, fmt.Errorf("unpack snappy: %w: %v", ErrPayload, err)
	}
	if len(got) != n {
		return nil, fmt.Errorf("unpack snappy: %d bytes of %d: %w", len(got), n, ErrPayload)
	}
	if n > 0 && &got[0] != &out[at : at+n][0] {
		copy(out[at:at+n], got)
	}
	return out[:at+n], nil
}
