package fsck

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/weirmq/weir/metadata"
)

// Kind is the class of a finding or a note. It is a word for programs and stays what it is.
type Kind string

// Kinds of findings.
const (
	Superblock  Kind = "superblock"   // a slot is spoilt, contradicts the other, or contradicts metadata
	Fence       Kind = "fence"        // the fence word
	Frame       Kind = "frame"        // a part of a ring that was durable is not what was written
	Reused      Kind = "reused-space" // space was written again before both superblocks freed it
	Evidence    Kind = "evidence"     // a log ends below what is known to have been durable
	RaftLog     Kind = "metadata-log" // records of the metadata log contradict each other or cannot be read
	State       Kind = "metadata"     // an invariant of the metadata does not hold
	Identity    Kind = "identity"
	Missing     Kind = "missing-object"
	BadObject   Kind = "object"  // an object's bytes are not what was written
	BadBatch    Kind = "batch"   // a record batch whose frame or block is right is wrong in itself
	Lost        Kind = "lost"    // offsets of the log are nowhere
	Twice       Kind = "twice"   // offsets, or an idempotent batch, stand in the log twice
	Differs     Kind = "differs" // WAL and object hold other bytes for the same offsets
	Stray       Kind = "stray"   // entries of a stream or epoch that cannot have written here
	Checkpoint  Kind = "state"   // a partition's state is missing, unreadable, or not what the log says
	Quarantine  Kind = "quarantine"
	Leak        Kind = "leak" // keys that nothing refers to and nothing will sweep
	Undischarge Kind = "owed" // a node that stopped still owes something
	Unreadable  Kind = "unreadable"
)

// Kinds of notes only.
const (
	TornTail  Kind = "torn-tail" // a crash left the tail half written: dropped by the next start
	Pending   Kind = "pending"   // files and objects of work that a crash interrupted
	Garbage   Kind = "garbage"   // keys that will be swept
	Destroyed Kind = "destroyed" // objects that wait to be deleted
	Hole      Kind = "hole"      // offsets that metadata itself calls lost
	Foreign   Kind = "foreign"   // keys of other clusters or of no form of ours
	Beyond    Kind = "beyond-end"
)

// Finding is something that is wrong, or as a note, worth knowing.
type Finding struct {
	Kind  Kind   `json:"kind"`
	Where string `json:"where"`          // volume and file, or key, with position
	What  string `json:"what"`           // one sentence
	Do    string `json:"do,omitempty"`   // what to do about it
	Span  *Span  `json:"span,omitempty"` // the offsets it is about, if it is about some
}

// String returns the finding as one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Where, f.What) }

// Span is a part of a partition's log.
type Span struct {
	Stream    uint64 `json:"stream"`
	Topic     string `json:"topic,omitempty"` // "" if the topic is not known
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"` // exclusive; -1: to an end that nobody knows
}

// Place says where bytes were found.
type Place struct {
	Key string // of the object; "" in a WAL
	WAL metadata.UUID
	At  uint64 // byte of the object; position in the WAL of the frame
}

// String is for people.
func (p Place) String() string {
	if p.Key != "" {
		return fmt.Sprintf("object %s byte %d", p.Key, p.At)
	}
	return fmt.Sprintf("WAL %s position %d", p.WAL, p.At)
}

// Batch is one record batch of a partition's log, or one entry of the group log.
type Batch struct {
	Stream      uint64
	Topic       string
	Partition   int32
	LeaderEpoch int32
	Base        int64
	Count       int32 // of offsets
	Data        []byte
	Place       Place
}

// Stream is what was found of one partition.
type Stream struct {
	ID        uint64 `json:"stream"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Internal  bool   `json:"internal,omitempty"` // entries are group records, not record batches
	LogStart  int64  `json:"log_start"`
	End       int64  `json:"end"`       // of the log, as the next start would recover it
	Committed int64  `json:"committed"` // what lies in objects ends here
	Owed      int64  `json:"owed"`      // offsets that only the WAL holds
	Ranges    int    `json:"ranges"`
	Holes     []Span `json:"holes,omitempty"` // that metadata names, or that were found
	Batches   int    `json:"batches"`
	Records   int64  `json:"records"` // offsets covered by batches

	log []Batch
}

// Counts is how much was looked at.
type Counts struct {
	Frames       int   `json:"frames"`
	RingBytes    int64 `json:"ring_bytes"` // from trim to end
	MetaFrames   int   `json:"meta_frames"`
	MetaEntries  int   `json:"meta_entries"` // applied, the snapshot's not counted
	Objects      int   `json:"objects"`      // that metadata refers to
	ObjectBytes  int64 `json:"object_bytes"`
	Keys         int   `json:"keys"` // in the bucket
	Leaked       int   `json:"leaked"`
	Checkpoints  int   `json:"checkpoints"`
	Quarantines  int   `json:"quarantines"`
	Batches      int   `json:"batches"`
	Records      int64 `json:"records"`
	GroupRecords int   `json:"group_records"`
}

// Report is what a check found.
type Report struct {
	Cluster  string    `json:"cluster,omitempty"`
	Index    uint64    `json:"metadata_index"` // of the last command
	Findings []Finding `json:"findings"`
	Notes    []Finding `json:"notes"`
	Counts   Counts    `json:"counts"`
	Streams  []Stream  `json:"streams"` // by id
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Err returns the findings as an error, nil if there is none.
func (r *Report) Err() error {
	if r.OK() {
		return nil
	}
	return fmt.Errorf("fsck: %d findings, the first: %s", len(r.Findings), r.Findings[0])
}

// Stream returns what was found of one partition, nil if metadata does not know it.
func (r *Report) Stream(topic string, partition int32) *Stream {
	for i := range r.Streams {
		if s := &r.Streams[i]; s.Topic == topic && s.Partition == partition {
			return s
		}
	}
	return nil
}

// Log returns a partition's batches in the order of their offsets; it needs Options.Keep.
func (s *Stream) Log() iter.Seq[Batch] { return slices.Values(s.log) }

// JSON returns the report for programs.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }

// Print writes the report for people: findings with what to do, notes, a summary.
func (r *Report) Print(w io.Writer) error {
	p := &printer{w: w}
	for _, f := range r.Findings {
		p.line("BAD   %-14s %s", f.Kind, f.Where)
		p.line("      %s", f.What)
		if f.Do != "" {
			p.line("      do: %s", f.Do)
		}
	}
	for _, f := range r.Notes {
		p.line("note  %-14s %s", f.Kind, f.Where)
		p.line("      %s", f.What)
	}
	c := &r.Counts
	p.line("metadata  index %d, %d frames, %d entries behind the snapshot", r.Index, c.MetaFrames, c.MetaEntries)
	p.line("WAL       %d frames, %d bytes from trim to end", c.Frames, c.RingBytes)
	p.line("objects   %d referred to, %d bytes; %d keys in the bucket, %d that nothing refers to",
		c.Objects, c.ObjectBytes, c.Keys, c.Leaked)
	p.line("log       %d partitions, %d batches, %d records; %d checkpoints, %d group records, %d quarantine objects",
		len(r.Streams), c.Batches, c.Records, c.Checkpoints, c.GroupRecords, c.Quarantines)
	if r.OK() {
		p.line("clean: nothing is missing and nothing contradicts")
	} else {
		p.line("%d findings", len(r.Findings))
	}
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// sort brings the report into an order that does not depend on how it was found.
func (r *Report) sort() {
	slices.SortFunc(r.Streams, func(a, b Stream) int { return cmp.Compare(a.ID, b.ID) })
}
