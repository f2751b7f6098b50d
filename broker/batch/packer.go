package batch

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// packer compresses payloads. It keeps library state between calls, never payload.
type packer struct {
	gz  *gzip.Writer
	lz  *lz4.Writer
	zs  *zstd.Encoder
	out bytes.Buffer
}

// pack appends src, compressed, to dst.
func (p *packer) pack(dst []byte, c Codec, src []byte) ([]byte, error) {
	switch c {
	case None:
		return append(dst, src...), nil
	case Gzip:
		if p.gz == nil {
			p.gz = gzip.NewWriter(nil)
		}
		return p.stream(dst, p.gz, src)
	case Snappy:
		return append(dst, s2.EncodeSnappy(nil, src)...), nil
	case LZ4:
		if p.lz == nil {
			p.lz = lz4.NewWriter(nil)
			if err := p.lz.Apply(lz4.ConcurrencyOption(1)); err != nil {
				return nil, fmt.Errorf("pack lz4: set up the writer: %w", err)
			}
		}
		return p.stream(dst, p.lz, src)
	case Zstd:
		if p.zs == nil {
			zs, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
			if err != nil {
				return nil, fmt.Errorf("pack zstd: set up the encoder: %w", err)
			}
			p.zs = zs
		}
		return p.zs.EncodeAll(src, dst), nil
	}
	return nil, fmt.Errorf("pack %v: %w", c, ErrCodec)
}

// streamWriter is what the gzip and lz4 writers have in common.
type streamWriter interface {
	io.WriteCloser
	Reset(io.Writer)
}

func (p *packer) stream(dst []byte, w streamWriter, src []byte) ([]byte, error) {
	p.out.Reset()
	w.Reset(&p.out)
	if _, err := w.Write(src); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return append(dst, p.out.Bytes()...), nil
}
