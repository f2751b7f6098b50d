package fsck

import (
	"fmt"
	"slices"
)

// openFile is one file of an image, whole in memory or to be read piece by piece.
type openFile struct {
	name string
	data []byte
	f    File
	size int64
}

// open opens a file of an image.
func open(img Image, path string) (*openFile, error) {
	if o, ok := img.(Opener); ok {
		f, err := o.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		return &openFile{name: path, f: f, size: f.Size()}, nil
	}
	data, err := img.Read(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &openFile{name: path, data: data, size: int64(len(data))}, nil
}

func (f *openFile) close() {
	if f.f != nil {
		_ = f.f.Close() // it was only read
	}
}

// read returns n bytes at off.
func (f *openFile) read(off int64, n int) ([]byte, error) {
	if off < 0 || off+int64(n) > f.size {
		return nil, fmt.Errorf("read %s: %d bytes at %d of %d", f.name, n, off, f.size)
	}
	if f.f == nil {
		return f.data[off:][:n:n], nil
	}
	p := make([]byte, n)
	if m, err := f.f.ReadAt(p, off); m < n {
		return nil, fmt.Errorf("read %s at %d: %w", f.name, off, err)
	}
	return p, nil
}

// has reports whether an image has a file.
func has(img Image, path string) bool {
	return img != nil && slices.Contains(img.Files(), path)
}

// ring is the endless ring in a file.
type ring struct {
	file     *openFile
	base     int64
	capacity uint64
}

func newRing(f *openFile, capacity uint64) (*ring, error) {
	m := margin(int64(capacity))
	if want := int64(capacity) + 2*m; f.size != want {
		return nil, fmt.Errorf("the file has %d bytes, a ring of %d takes %d", f.size, capacity, want)
	}
	return &ring{file: f, base: m, capacity: capacity}, nil
}

// view returns n bytes at pos.
func (r *ring) view(pos uint64, n int) ([]byte, error) {
	at := pos % r.capacity
	if at+uint64(n) <= r.capacity {
		return r.file.read(r.base+int64(at), n)
	}
	first := int(r.capacity - at)
	a, err := r.file.read(r.base+int64(at), first)
	if err != nil {
		return nil, err
	}
	b, err := r.file.read(r.base, n-first)
	if err != nil {
		return nil, err
	}
	return append(append(make([]byte, 0, n), a...), b...), nil
}
