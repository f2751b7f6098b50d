package objectstore

import (
	"bytes"
	"io"

	"github.com/weirmq/weir/host"
)

// Body is the content of an object to be put. A store may open it several times, one after the other, and
// must see the same Size bytes each time: a retry sends it again.
type Body interface {
	// Size is the number of bytes a reader yields before io.EOF.
	Size() int64
	// Open returns a reader at the first byte. The reader may block within sc; it is abandoned, not
	// closed, so it must hold nothing that needs closing.
	Open(sc *host.Scope) io.Reader
}

// BytesBody is a Body over p, which must not change until the put has returned.
func BytesBody(p []byte) Body { return bytesBody(p) }

type bytesBody []byte

func (b bytesBody) Size() int64                { return int64(len(b)) }
func (b bytesBody) Open(*host.Scope) io.Reader { return bytes.NewReader(b) }
