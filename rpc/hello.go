package rpc

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
)

// Cluster names a cluster: 16 random bytes, given at its birth. Zero is "none yet".
type Cluster [16]byte

// IsZero reports whether c names no cluster.
func (c Cluster) IsZero() bool { return c == Cluster{} }

// String returns c in hex, or "none".
func (c Cluster) String() string {
	if c.IsZero() {
		return "none"
	}
	return hex.EncodeToString(c[:])
}

// Roles says what a node does in its cluster, one bit each.
type Roles uint32

// The roles. Bits that a node does not know are passed on to handlers as they are.
const (
	RoleBroker Roles = 1 << iota
	RoleController
)

// Identity is who a node says it is. It is believed: whoever reaches the port may say anything.
type Identity struct {
	Cluster Cluster // zero for a node that has joined none yet: it may call methods marked Stranger alone
	Node    int32
	Roles   Roles
}

// Peer is the other end of a connection.
type Peer struct {
	Identity
	Addr string // "host:port" of the remote end
}

// What is offered. A connection speaks the highest version that both ends know.
const (
	versionLow, versionHigh = 1, 1

	magic     = "weir-rpc"
	helloSize = 48
)

// verdict is what the end that was dialled says of the dialler's hello.
type verdict uint8

const (
	welcome verdict = iota
	wrongVersion
	wrongCluster
)

// hello is the first thing each end of a connection sends. docs/format/rpc.md draws it.
type hello struct {
	low, high uint16 // versions
	Identity
	class   Class
	verdict verdict // 0 from the dialler
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (o *hello) append(p []byte) []byte {
	at := len(p)
	p = append(p, magic...)
	p = binary.LittleEndian.AppendUint16(p, o.low)
	p = binary.LittleEndian.AppendUint16(p, o.high)
	p = append(p, o.Cluster[:]...)
	p = binary.LittleEndian.AppendUint32(p, uint32(o.Node))
	p = binary.LittleEndian.AppendUint32(p, uint32(o.Roles))
	p = append(p, byte(o.class), byte(o.verdict), 0, 0, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(p, crc32.Checksum(p[at:], castagnoli))
}

// errNoHello explains a connection that begins with anything else; the peer is not worth an answer.
var errNoHello = fmt.Errorf("%w: the connection does not begin with a hello: is this another program?", ErrProtocol)

// decodeHello reads the helloSize bytes of p.
func decodeHello(p []byte) (hello, error) {
	if string(p[:len(magic)]) != magic {
		return hello{}, errNoHello
	}
	if sum := binary.LittleEndian.Uint32(p[44:]); crc32.Checksum(p[:44], castagnoli) != sum {
		return hello{}, fmt.Errorf("%w: the hello's checksum does not match", ErrProtocol)
	}
	o := hello{
		low: binary.LittleEndian.Uint16(p[8:]), high: binary.LittleEndian.Uint16(p[10:]),
		class: Class(p[36]), verdict: verdict(p[37]),
	}
	copy(o.Cluster[:], p[12:])
	o.Node = int32(binary.LittleEndian.Uint32(p[28:]))
	o.Roles = Roles(binary.LittleEndian.Uint32(p[32:]))
	if o.class >= classes || o.low > o.high {
		return hello{}, fmt.Errorf("%w: a hello of class %d with versions %d to %d", ErrProtocol, o.class, o.low, o.high)
	}
	return o, nil
}

// admit judges, at the end that was dialled, the hello of the dialler.
func (o *hello) admit(theirs *hello) (verdict, error) {
	if err := o.speaks(theirs); err != nil {
		return wrongVersion, err
	}
	if theirs.Cluster != o.Cluster && !theirs.Cluster.IsZero() {
		return wrongCluster, o.foreign(theirs)
	}
	return welcome, nil
}

// accept judges, at the dialler, the answer to its hello. A dialler without a cluster speaks to any.
func (o *hello) accept(theirs *hello) error {
	foreign := !o.Cluster.IsZero() && theirs.Cluster != o.Cluster
	switch err := o.speaks(theirs); {
	case err != nil:
		return err
	case foreign:
		return o.foreign(theirs)
	case theirs.verdict == wrongVersion:
		return fmt.Errorf("%w: node %d refuses versions %d to %d", ErrVersion, theirs.Node, o.low, o.high)
	case theirs.verdict == wrongCluster:
		return fmt.Errorf("%w: node %d refuses cluster %s", ErrCluster, theirs.Node, o.Cluster)
	case theirs.verdict != welcome:
		return fmt.Errorf("%w: node %d refuses for reason %d", ErrProtocol, theirs.Node, theirs.verdict)
	case theirs.class != o.class:
		return fmt.Errorf("%w: node %d answered with class %d", ErrProtocol, theirs.Node, theirs.class)
	}
	return nil
}

func (o *hello) speaks(theirs *hello) error {
	if theirs.low <= o.high && o.low <= theirs.high {
		return nil
	}
	return fmt.Errorf("%w: node %d speaks versions %d to %d, this node %d to %d; upgrade the older one",
		ErrVersion, theirs.Node, theirs.low, theirs.high, o.low, o.high)
}

func (o *hello) foreign(theirs *hello) error {
	return fmt.Errorf("%w: node %d belongs to cluster %s, this node to %s; is the address right?",
		ErrCluster, theirs.Node, theirs.Cluster, o.Cluster)
}

// permanent reports whether dialling again can only help after somebody has changed a configuration.
func permanent(err error) bool { return errors.Is(err, ErrCluster) || errors.Is(err, ErrVersion) }
