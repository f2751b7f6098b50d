package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A history file is JSON, one value a line: the header, then operations and logs
// in any order. docs/format/history.md draws it.
const (
	formatName    = "weir-history" // persisted; never change
	formatVersion = 1              // persisted; raise it when an old reader would misjudge
	lineBytesMax  = 64 << 20       // one final log is one line
)

type header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

// MarshalJSON writes a record as [offset, value].
func (r Record) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d]", r.Offset, uint64(r.Value)), nil
}

// UnmarshalJSON reads a record written by MarshalJSON.
func (r *Record) UnmarshalJSON(p []byte) error {
	var pair []json.Number
	if err := json.Unmarshal(p, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("a record has an offset and a value, not %d numbers", len(pair))
	}
	return errors.Join(json.Unmarshal([]byte(pair[0]), &r.Offset), json.Unmarshal([]byte(pair[1]), &r.Value))
}

// Encode writes the history, header first. Equal histories give equal bytes.
func Encode(w io.Writer, h *History) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	if err := enc.Encode(header{formatName, formatVersion}); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	for i := range h.Ops {
		if err := enc.Encode(&h.Ops[i]); err != nil {
			return fmt.Errorf("write operation %d: %w", i, err)
		}
	}
	for i := range h.Logs {
		if err := enc.Encode(&h.Logs[i]); err != nil {
			return fmt.Errorf("write log of %s: %w", h.Logs[i].Partition, err)
		}
	}
	return out.Flush()
}

// Decode reads a history that Encode wrote. An error is ErrFormat with the line,
// or the reader's own.
func Decode(r io.Reader) (*History, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), lineBytesMax)
	h := &History{}
	n := 0
	for lines.Scan() {
		n++
		if err := h.decodeLine(n, lines.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w: %w", n, ErrFormat, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read history after line %d: %w", n, err)
	}
	if n == 0 {
		return nil, fmt.Errorf("empty file: %w", ErrFormat)
	}
	return h, nil
}

func (h *History) decodeLine(n int, line []byte) error {
	if n == 1 {
		var head header
		if err := json.Unmarshal(line, &head); err != nil {
			return err
		}
		if head.Format != formatName || head.Version < 1 || head.Version > formatVersion {
			return fmt.Errorf("format %q version %d, want %q up to %d", head.Format, head.Version, formatName, formatVersion)
		}
		return nil
	}
	var kind struct {
		Op  *Kind           `json:"op"`
		Log json.RawMessage `json:"log"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return err
	}
	switch {
	case kind.Op != nil && kind.Log == nil:
		var op Op
		if err := strictly(line, &op); err != nil {
			return err
		}
		if err := op.validate(); err != nil {
			return err
		}
		h.Ops = append(h.Ops, op)
	case kind.Log != nil && kind.Op == nil:
		var log Log
		if err := strictly(line, &log); err != nil {
			return err
		}
		if err := log.validate(); err != nil {
			return err
		}
		h.Logs = append(h.Logs, log)
	default:
		return errors.New("neither an operation nor a log")
	}
	return nil
}

// strictly refuses fields it does not know: a misspelt one would be judged as zero.
func strictly(line []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
