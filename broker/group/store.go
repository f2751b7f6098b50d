package group

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// Store is the durable state of one coordinator partition: what the records applied so far tell.
type Store struct{ groups map[string]*stored }

// stored is what is durable of one group.
type stored struct {
	membership *Membership // nil if it never had members
	offsets    map[Part]Offset
}

// NewStore is the state before the first record.
func NewStore() *Store { return &Store{groups: map[string]*stored{}} }

// Apply replays the records in data, one behind the other. On an error the store holds those before it.
func (s *Store) Apply(data []byte) error {
	for len(data) > 0 {
		kind, body, rest, err := open(data)
		if err != nil {
			return err
		}
		if err := s.apply(kind, &fields{p: body}); err != nil {
			return err
		}
		data = rest
	}
	return nil
}

// apply carries one record out, all of it or nothing.
func (s *Store) apply(kind byte, f *fields) error {
	id := f.string()
	var (
		offsets []Offset
		parts   []Part
		m       *Membership
	)
	switch kind {
	case kindOffsets:
		for n := f.count(); n > 0 && !f.bad; n-- {
			offsets = append(offsets, f.offset())
		}
	case kindMembership:
		m = f.membership()
	case kindDeleted:
	case kindDropped:
		for n := f.count(); n > 0 && !f.bad; n-- {
			parts = append(parts, Part{f.string(), f.int32()})
		}
	default:
		return fmt.Errorf("apply group record of kind %d: %w", kind, ErrVersion)
	}
	if f.bad || len(f.p) > 0 {
		return fmt.Errorf("apply group record of kind %d for %q: fields do not fit: %w", kind, id, ErrDamaged)
	}
	switch kind {
	case kindOffsets:
		g := s.create(id)
		for _, o := range offsets {
			g.offsets[Part{o.Topic, o.Partition}] = o
		}
	case kindMembership:
		s.create(id).membership = m
	case kindDeleted:
		delete(s.groups, id)
	case kindDropped:
		s.drop(id, parts)
	}
	return nil
}

func (s *Store) create(id string) *stored {
	g := s.groups[id]
	if g == nil {
		g = &stored{offsets: map[Part]Offset{}}
		s.groups[id] = g
	}
	return g
}

// drop forgets offsets, and the group with the last one if it never had members.
func (s *Store) drop(id string, parts []Part) {
	g := s.groups[id]
	if g == nil {
		return
	}
	for _, p := range parts {
		delete(g.offsets, p)
	}
	if len(g.offsets) == 0 && g.membership == nil {
		delete(s.groups, id)
	}
}

// Groups lists the stored groups' ids, sorted.
func (s *Store) Groups() []string {
	ids := make([]string, 0, len(s.groups))
	for id := range s.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Topics lists the topics that anything is committed for, sorted.
func (s *Store) Topics() []string {
	var names []string
	for _, g := range s.groups {
		for part := range g.offsets {
			names = append(names, part.Topic)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Offset is what was last committed for a partition; ok is false if nothing was.
func (s *Store) Offset(group string, p Part) (o Offset, ok bool) {
	if g := s.groups[group]; g != nil {
		o, ok = g.offsets[p]
	}
	return o, ok
}

// Offsets lists all that a group committed, sorted by topic and partition.
func (s *Store) Offsets(group string) []Offset {
	g := s.groups[group]
	if g == nil {
		return nil
	}
	return g.sorted()
}

func (g *stored) sorted() []Offset {
	out := make([]Offset, 0, len(g.offsets))
	for _, o := range g.offsets {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b Offset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}

const (
	storeMagic   = "wGST"
	storeVersion = 1
	storeHead    = 8 // magic, version, zero
)

// Snapshot encodes the store. Equal stores give equal bytes.
func (s *Store) Snapshot() []byte {
	p := append([]byte(storeMagic), storeVersion, 0, 0, 0)
	ids := s.Groups()
	p = binary.AppendUvarint(p, uint64(len(ids)))
	for _, id := range ids {
		g := s.groups[id]
		p = appendString(p, id)
		if g.membership == nil {
			p = append(p, 0)
		} else {
			p = appendMembership(append(p, 1), g.membership)
		}
		offsets := g.sorted()
		p = binary.AppendUvarint(p, uint64(len(offsets)))
		for _, o := range offsets {
			p = appendOffset(p, o)
		}
	}
	return binary.BigEndian.AppendUint32(p, crc32.Checksum(p, castagnoli))
}

// Restore decodes a snapshot.
func Restore(p []byte) (*Store, error) {
	if len(p) < storeHead+recordTail || string(p[:4]) != storeMagic {
		return nil, fmt.Errorf("restore groups from %d bytes: no header: %w", len(p), ErrDamaged)
	}
	if p[4] != storeVersion {
		return nil, fmt.Errorf("restore groups of version %d, want %d: %w", p[4], storeVersion, ErrVersion)
	}
	body := p[:len(p)-recordTail]
	if got, want := crc32.Checksum(body, castagnoli), binary.BigEndian.Uint32(p[len(body):]); got != want {
		return nil, fmt.Errorf("restore groups: stored CRC %08x, computed %08x: %w", want, got, ErrDamaged)
	}
	s, f := NewStore(), &fields{p: body[storeHead:]}
	for n := f.count(); n > 0 && !f.bad; n-- {
		id := f.string()
		g := s.create(id)
		if f.uvarint() == 1 {
			g.membership = f.membership()
		}
		for k := f.count(); k > 0 && !f.bad; k-- {
			o := f.offset()
			g.offsets[Part{o.Topic, o.Partition}] = o
		}
	}
	if f.bad || len(f.p) > 0 {
		return nil, fmt.Errorf("restore groups: fields do not fit: %w", ErrDamaged)
	}
	return s, nil
}
