package metadata

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"google.golang.org/protobuf/proto"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// EncodeCommand returns the bytes of a command as they lie in the Raft log. It sets the command's format, to
// the oldest that says all of it.
func EncodeCommand(cmd *metadatapb.Command) []byte {
	cmd.Format = formatOf(cmd)
	return marshal(cmd)
}

// DecodeCommand reads a command from the Raft log: ErrCorrupt, or ErrNewer for one that a newer program
// wrote. A program that cannot read a command must stop there: skipping it would fork the state.
func DecodeCommand(b []byte) (*metadatapb.Command, error) {
	cmd := &metadatapb.Command{}
	if err := proto.Unmarshal(b, cmd); err != nil {
		return nil, fmt.Errorf("decode command of %d bytes: %w", len(b), ErrCorrupt)
	}
	if cmd.GetFormat() > FormatNewest || cmd.GetBody() == nil && len(cmd.ProtoReflect().GetUnknown()) > 0 {
		return nil, fmt.Errorf("decode command of format %d, this program knows %d: %w",
			cmd.GetFormat(), FormatNewest, ErrNewer)
	}
	if cmd.GetFormat() == 0 || cmd.GetBody() == nil {
		return nil, fmt.Errorf("decode command of %d bytes without format or body: %w", len(b), ErrCorrupt)
	}
	return cmd, nil
}

// formatOf returns the oldest format that says all of a command.
func formatOf(cmd *metadatapb.Command) uint32 {
	newer := false
	switch b := cmd.GetBody().(type) {
	case *metadatapb.Command_BeginMove, *metadatapb.Command_Drain, *metadatapb.Command_Deregister:
		newer = true
	case *metadatapb.Command_Register:
		newer = b.Register.GetRack() != "" || b.Register.GetAddress() != ""
	case *metadatapb.Command_CreateTopic:
		newer = b.CreateTopic.GetPlace()
	case *metadatapb.Command_CreatePartitions:
		newer = b.CreatePartitions.GetPlace()
	}
	if newer {
		return FormatNewest
	}
	return FormatVersion
}

// snapshotFormat returns the oldest format that says all of a snapshot.
func snapshotFormat(p *metadatapb.Snapshot) uint32 {
	newer := false
	for _, b := range p.GetBrokers() {
		newer = newer || b.GetRack() != "" || b.GetAddress() != "" || b.GetDraining() || b.GetDeregistered()
	}
	for _, st := range p.GetStreams() {
		newer = newer || st.GetMove() != nil
	}
	if newer {
		return FormatNewest
	}
	return FormatVersion
}

func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	invariant.Check(err == nil, invariant.Contract, "a message of ours cannot be encoded")
	return b
}

// A snapshot is a header of 24 bytes, little-endian, and a Snapshot message:
//
//	0  magic "weirmeta"
//	8  format version, 4 bytes
//	12 CRC-32C of the message, 4 bytes
//	16 length of the message, 8 bytes
const (
	snapshotMagic  = "weirmeta"
	snapshotHeader = 24
)

// Snapshot returns the whole state as bytes. The same state gives the same bytes.
func (s *State) Snapshot() []byte {
	p := s.export()
	body := marshal(p)
	b := make([]byte, snapshotHeader, snapshotHeader+len(body))
	copy(b, snapshotMagic)
	binary.LittleEndian.PutUint32(b[8:], snapshotFormat(p))
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(body, castagnoli()))
	binary.LittleEndian.PutUint64(b[16:], uint64(len(body)))
	return append(b, body...)
}

// Restore reads what Snapshot wrote and checks every invariant of it. Errors: ErrCorrupt, ErrNewer.
func Restore(b []byte) (*State, error) {
	if len(b) < snapshotHeader || string(b[:8]) != snapshotMagic {
		return nil, fmt.Errorf("restore metadata from %d bytes: no header: %w", len(b), ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > FormatNewest {
		return nil, fmt.Errorf("restore metadata of format %d, this program knows %d: %w", v, FormatNewest, ErrNewer)
	} else if v == 0 {
		return nil, fmt.Errorf("restore metadata of format 0: %w", ErrCorrupt)
	}
	body := b[snapshotHeader:]
	if n := binary.LittleEndian.Uint64(b[16:]); n != uint64(len(body)) {
		return nil, fmt.Errorf("restore metadata: %d bytes, want %d: %w", len(body), n, ErrCorrupt)
	}
	if crc := crc32.Checksum(body, castagnoli()); crc != binary.LittleEndian.Uint32(b[12:]) {
		return nil, fmt.Errorf("restore metadata: checksum %08x is wrong: %w", crc, ErrCorrupt)
	}
	p := &metadatapb.Snapshot{}
	if err := proto.Unmarshal(body, p); err != nil {
		return nil, fmt.Errorf("restore metadata: no snapshot message: %w", ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v < snapshotFormat(p) {
		return nil, fmt.Errorf("restore metadata of format %d that says what format %d brought: %w",
			v, snapshotFormat(p), ErrCorrupt)
	}
	s, err := imported(p)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("restore metadata: %w: %w", err, ErrCorrupt)
	}
	return s, nil
}
