package check

import (
	"encoding/json"
	"fmt"
	"io"
)

// The files of a saved run, all in one directory.
const (
	HistoryFile = "history.jsonl" // docs/format/history.md
	MetaFile    = "meta.json"     // Meta
	VerdictFile = "verdict.json"  // Verdict, as it was when the run was saved
)

// Files is where a run is saved: one directory. This package opens no files itself.
type Files interface {
	// Create begins a file anew. It is complete when Close returns nil.
	Create(name string) (io.WriteCloser, error)
	Open(name string) (io.ReadCloser, error)
}

// Meta says which run a history is of, and what was demanded of it.
type Meta struct {
	Seed   uint64 `json:"seed"`
	Commit string `json:"commit,omitempty"`
	Note   string `json:"note,omitempty"`
	Least  Counts `json:"least"` // what Judge was given
}

// Save writes a history, its meta data and its verdict.
func Save(to Files, h *History, meta Meta, v *Verdict) error {
	err := write(to, HistoryFile, func(w io.Writer) error { return Encode(w, h) })
	if err != nil {
		return err
	}
	if err := writeJSON(to, MetaFile, meta); err != nil {
		return err
	}
	return writeJSON(to, VerdictFile, v)
}

// Load reads a saved run. Judge(h, meta.Least) gives the verdict of this version of
// the checkers; the one that was saved stays in VerdictFile.
func Load(from Files) (*History, Meta, error) {
	var h *History
	var meta Meta
	err := read(from, HistoryFile, func(r io.Reader) (err error) {
		h, err = Decode(r)
		return err
	})
	if err == nil {
		err = read(from, MetaFile, func(r io.Reader) error { return json.NewDecoder(r).Decode(&meta) })
	}
	return h, meta, err
}

func writeJSON(to Files, name string, value any) error {
	return write(to, name, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	})
}

func write(to Files, name string, encode func(io.Writer) error) error {
	w, err := to.Create(name)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	if err := encode(w); err != nil {
		_ = w.Close() // the file is worth nothing any more
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func read(from Files, name string, decode func(io.Reader) error) error {
	r, err := from.Open(name)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	err = decode(r)
	if closed := r.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
