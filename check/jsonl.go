package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A history file is JSON, one value a line: the header, then operations, logs and
// the rest in any order. docs/format/history.md draws it.
const (
	formatName    = "weir-history" // persisted; never change
	formatVersion = 2              // persisted; raise it when an old reader would misjudge
	lineBytesMax  = 64 << 20       // one final log is one line
	durableMax    = 10_000         // entries of DurableAt a line
)

type header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

// Encode writes the history, header first. Equal histories give equal bytes.
func Encode(w io.Writer, h *History) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	if err := enc.Encode(header{formatName, formatVersion}); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	if h.Beyond || len(h.Recoveries) > 0 {
		if err := enc.Encode(runLine{run{h.Beyond, h.Recoveries}}); err != nil {
			return fmt.Errorf("write history: %w", err)
		}
	}
	for i := range h.Ops {
		if err := enc.Encode(lineOf(&h.Ops[i])); err != nil {
			return fmt.Errorf("write operation %d: %w", i, err)
		}
	}
	for i := range h.Logs {
		if err := enc.Encode(&h.Logs[i]); err != nil {
			return fmt.Errorf("write log of %s: %w", h.Logs[i].Partition, err)
		}
	}
	for chunk := range slices.Chunk(h.DurableAt, durableMax) {
		if err := enc.Encode(durableLine{chunk}); err != nil {
			return fmt.Errorf("write durable values: %w", err)
		}
	}
	return out.Flush()
}

// Decode reads a history that Encode wrote, of this version or an older one. An
// error is ErrFormat with the line, or the reader's own.
func Decode(r io.Reader) (*History, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), lineBytesMax)
	d := decoder{h: &History{}}
	n := 0
	for lines.Scan() {
		n++
		err := error(nil)
		if n == 1 {
			err = d.header(lines.Bytes())
		} else {
			err = d.line(lines.Bytes())
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w: %w", n, ErrFormat, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read history after line %d: %w", n, err)
	}
	if n == 0 {
		return nil, fmt.Errorf("empty file: %w", ErrFormat)
	}
	return d.h, nil
}

type decoder struct {
	h       *History
	version int
}

func (d *decoder) header(line []byte) error {
	var head header
	if err := json.Unmarshal(line, &head); err != nil {
		return err
	}
	if head.Format != formatName || head.Version < 1 || head.Version > formatVersion {
		return fmt.Errorf("format %q version %d, want %q up to %d", head.Format, head.Version, formatName, formatVersion)
	}
	d.version = head.Version
	return nil
}

func (d *decoder) line(line []byte) error {
	var kind struct {
		Op      *Kind           `json:"op"`
		Log     json.RawMessage `json:"log"`
		Run     json.RawMessage `json:"run"`
		Durable json.RawMessage `json:"durable"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return err
	}
	kinds := 0
	for _, is := range []bool{kind.Op != nil, kind.Log != nil, kind.Run != nil, kind.Durable != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("neither an operation nor a log, nor one of the rest")
	case kind.Op != nil:
		return d.op(line)
	case kind.Log != nil:
		return d.log(line)
	case kind.Durable != nil:
		var durable durableLine
		err := strictly(line, &durable)
		d.h.DurableAt = append(d.h.DurableAt, durable.Durable...)
		return err
	default:
		var in runLine
		err := strictly(line, &in)
		d.h.Beyond, d.h.Recoveries = in.Run.Beyond, in.Run.Recoveries
		return err
	}
}

func (d *decoder) op(line []byte) error {
	var op Op
	if err := op.decode(line); err != nil {
		return err
	}
	if err := op.validate(); err != nil {
		return err
	}
	d.h.Ops = append(d.h.Ops, op)
	return nil
}

func (d *decoder) log(line []byte) error {
	var log Log
	if err := strictly(line, &log); err != nil {
		return err
	}
	if err := log.validate(); err != nil {
		return err
	}
	if d.version == 1 && log.Start > 0 {
		log.Deleted = []Span{{0, log.Start}} // version 1 kept no ledger, and did not judge what lies below
	}
	d.h.Logs = append(d.h.Logs, log)
	return nil
}

// strictly refuses fields it does not know: a misspelt one would be judged as zero.
func strictly(line []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
