package objectstore

import (
	"bytes"
	"fmt"
	"io"

	"github.com/weirmq/weir/host"
)

// Body is the content of an object to be put. A store may open it several times, one after the other, and
// must see the same Size bytes each time: a retry sends it again.
type Body interface {
	// Size is the number of bytes a reader yields before io.EOF.
	Size() int64
	// Open returns a reader at the first byte. The reader may block within sc; it is abandoned, not
	// closed, so it must hold nothing that needs closing. Its error fails the put, and is Terminal where
	// reading again would not help.
	Open(sc *host.Scope) io.Reader
}

// BytesBody is a Body over p, which must not change until the put has returned.
func BytesBody(p []byte) Body { return bytesBody(p) }

type bytesBody []byte

func (b bytesBody) Size() int64                { return int64(len(b)) }
func (b bytesBody) Open(*host.Scope) io.Reader { return bytes.NewReader(b) }

// OpenBody opens body and returns a reader that fails, terminally, where body yields fewer or more bytes
// than its size. The last bytes are handed out only after the body was seen to end there, so a store never
// gets hold of a complete object that is not the one announced.
func OpenBody(sc *host.Scope, body Body) io.Reader {
	return &exactReader{r: body.Open(sc), size: body.Size(), left: body.Size()}
}

type exactReader struct {
	r    io.Reader
	size int64
	left int64 // bytes still owed
	done error // io.EOF, or what to fail with, once the end was reached
}

func (x *exactReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if x.left == 0 {
		return 0, x.end()
	}
	n, err := x.r.Read(p[:min(int64(len(p)), x.left)])
	x.left -= int64(n)
	if x.left == 0 {
		if end := x.end(); end != io.EOF {
			return 0, end
		}
		return n, nil
	}
	if err == io.EOF {
		err = Terminal(fmt.Errorf("objectstore: the body ended after %d of its %d bytes", x.size-x.left, x.size))
	}
	return n, err
}

// end makes sure, once, that the body ends where its size says; io.EOF if so.
func (x *exactReader) end() error {
	var one [1]byte
	for try := 0; x.done == nil; try++ {
		n, err := x.r.Read(one[:])
		switch {
		case n > 0:
			x.done = Terminal(fmt.Errorf("objectstore: the body goes on after its %d bytes", x.size))
		case err != nil:
			x.done = err
		case try == 100: // a reader may return nothing now and then
			x.done = Terminal(io.ErrNoProgress)
		}
	}
	return x.done
}
