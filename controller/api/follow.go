package api

import "time"

// FollowRequest asks for what is applied behind an index.
type FollowRequest struct {
	After    uint64
	Wait     time.Duration // for the first entry, in milliseconds
	MaxBytes uint32        // about as many; 0 = 1 MiB
	// Snapshot and Offset ask for the rest of the snapshot whose first part was answered; 0 for the first.
	Snapshot, Offset uint64
}

// Encode returns its bytes.
func (q FollowRequest) Encode() []byte {
	var w writer
	w.u64(q.After)
	w.u32(uint32(q.Wait.Milliseconds()))
	w.u32(q.MaxBytes)
	w.u64(q.Snapshot)
	w.u64(q.Offset)
	return w
}

// DecodeFollow reads a FollowRequest.
func DecodeFollow(p []byte) (FollowRequest, error) {
	r := &reader{p: p}
	q := FollowRequest{
		After: r.u64(), Wait: time.Duration(r.u32()) * time.Millisecond, MaxBytes: r.u32(),
		Snapshot: r.u64(), Offset: r.u64(),
	}
	return q, r.end("follow")
}

// EntryKind says what an applied entry is.
type EntryKind uint8

const (
	EntrySkip    EntryKind = iota // nothing to apply: metadata.State.Skip
	EntryCommand                  // a command: metadata.State.Apply
	EntryMembers                  // the membership changed: Skip, and ask Status who it is now
)

// Entry is an applied entry of the log.
type Entry struct {
	Index, Term uint64
	Kind        EntryKind
	Command     []byte // metadata.DecodeCommand
}

// Part is a piece of a snapshot: of metadata.State.Snapshot.
type Part struct {
	Index, Total, Offset uint64
	Data                 []byte
}

// FollowAnswer is entries behind After without a gap, none if the wait was over, or a part of a snapshot. A
// snapshot that is asked for further and is not the one that is there any more begins anew, at offset 0.
type FollowAnswer struct {
	Applied uint64 // of the member that answers
	Part    Part   // if Total is not 0
	Entries []Entry
}

// Encode returns its bytes.
func (a FollowAnswer) Encode() []byte {
	var w writer
	w.u64(a.Applied)
	w.u64(a.Part.Index)
	w.u64(a.Part.Total)
	w.u64(a.Part.Offset)
	w.bytes(a.Part.Data)
	w.u32(uint32(len(a.Entries)))
	for _, e := range a.Entries {
		w.u64(e.Index)
		w.u64(e.Term)
		w.u8(uint8(e.Kind))
		w.bytes(e.Command)
	}
	return w
}

// DecodeFollowed reads a FollowAnswer. Commands and data alias p.
func DecodeFollowed(p []byte) (FollowAnswer, error) {
	r := &reader{p: p}
	a := FollowAnswer{Applied: r.u64()}
	a.Part = Part{Index: r.u64(), Total: r.u64(), Offset: r.u64(), Data: r.bytes()}
	for n := r.count(21); n > 0 && !r.bad; n-- {
		a.Entries = append(a.Entries, Entry{
			Index: r.u64(), Term: r.u64(), Kind: EntryKind(r.u8()), Command: r.bytes(),
		})
	}
	return a, r.end("entries")
}
