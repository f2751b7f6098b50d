package metadata

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// UUID identifies a cluster, disk, volume, WAL or topic. It is drawn at random by whoever creates the thing
// and never reused. The zero UUID is none.
type UUID [16]byte

// String returns u as 8-4-4-4-12 hexadecimal digits.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:36], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// Base64 returns u as Kafka prints cluster and topic ids: 22 characters, URL alphabet, no padding.
func (u UUID) Base64() string { return base64.RawURLEncoding.EncodeToString(u[:]) }

// IsZero reports whether u is none.
func (u UUID) IsZero() bool { return u == UUID{} }

func (u UUID) compare(v UUID) int { return bytes.Compare(u[:], v[:]) }

// ParseUUID reads what String writes.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, fmt.Errorf("parse uuid %q: want 8-4-4-4-12 hexadecimal digits", s)
	}
	if _, err := hex.Decode(u[:], []byte(s[0:8]+s[9:13]+s[14:18]+s[19:23]+s[24:36])); err != nil {
		return UUID{}, fmt.Errorf("parse uuid %q: %w", s, err)
	}
	return u, nil
}

// uuidOf takes 16 bytes that are not all zero; anything else is not an id.
func uuidOf(b []byte) (u UUID, ok bool) {
	if len(b) != len(u) {
		return u, false
	}
	copy(u[:], b)
	return u, !u.IsZero()
}

// bytesOf is u as a field of a message; none is an absent field.
func bytesOf(u UUID) []byte {
	if u.IsZero() {
		return nil
	}
	return u[:]
}

// ObjectID names an object for ever: who wrote it, at which broker epoch, and that epoch's sequence.
type ObjectID struct {
	Broker int32
	Epoch  int64
	Seq    uint64
}

// IsZero reports whether id is none; broker epochs start at 1.
func (id ObjectID) IsZero() bool { return id == ObjectID{} }

// String is for people.
func (id ObjectID) String() string { return fmt.Sprintf("%d/%d/%d", id.Broker, id.Epoch, id.Seq) }

// Compare orders ids by broker, epoch and sequence.
func (id ObjectID) Compare(o ObjectID) int {
	return cmp.Or(cmp.Compare(id.Broker, o.Broker), cmp.Compare(id.Epoch, o.Epoch), cmp.Compare(id.Seq, o.Seq))
}

// Key returns the object's key in the store: "<hash>/<cluster>/<broker>/<epoch>/<sequence>", the hash being
// the CRC-32C of the rest in 8 hexadecimal digits (it spreads the keys over the store's partitions) and the
// sequence 16 hexadecimal digits.
func (id ObjectID) Key(cluster UUID) string {
	rest := fmt.Sprintf("%s/%d/%d/%016x", cluster, id.Broker, id.Epoch, id.Seq)
	return fmt.Sprintf("%08x/%s", crc32.Checksum([]byte(rest), castagnoli()), rest)
}

// ParseKey reads what Key writes. Any other key is not one of ours.
func ParseKey(key string) (cluster UUID, id ObjectID, err error) {
	bad := fmt.Errorf("parse object key %q: not <hash>/<cluster>/<broker>/<epoch>/<sequence>", key)
	parts := strings.Split(key, "/")
	if len(parts) != 5 {
		return UUID{}, ObjectID{}, bad
	}
	if cluster, err = ParseUUID(parts[1]); err != nil {
		return UUID{}, ObjectID{}, bad
	}
	broker, err1 := strconv.ParseInt(parts[2], 10, 32)
	epoch, err2 := strconv.ParseInt(parts[3], 10, 64)
	seq, err3 := strconv.ParseUint(parts[4], 16, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return UUID{}, ObjectID{}, bad
	}
	id = ObjectID{Broker: int32(broker), Epoch: epoch, Seq: seq}
	if id.Key(cluster) != key { // one spelling only
		return UUID{}, ObjectID{}, bad
	}
	return cluster, id, nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // the library keeps one

func (id ObjectID) proto() *metadatapb.ObjectID {
	if id.IsZero() {
		return nil
	}
	return &metadatapb.ObjectID{Broker: id.Broker, Epoch: id.Epoch, Seq: id.Seq}
}

func objectIDOf(p *metadatapb.ObjectID) ObjectID {
	return ObjectID{Broker: p.GetBroker(), Epoch: p.GetEpoch(), Seq: p.GetSeq()}
}
