package simgossip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/weirmq/weir/gossip"
)

// frameMax is the longest body of a frame in bytes: gossip.MembersMax entries fit.
const frameMax = 1 << 20

const headerSize = 8 // length and CRC-32C of the body

// errFrame is returned for bytes that are no frame.
var errFrame = errors.New("gossip: not a frame of members")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entry is one life in a frame.
type entry struct {
	report gossip.Report
	addr   string
	age    time.Duration // since the member gave the report, in milliseconds on the wire
}

// appendFrame appends header and body.
func appendFrame(p []byte, entries []entry) []byte {
	at := len(p)
	p = append(p, make([]byte, headerSize)...)
	p = binary.AppendUvarint(p, uint64(len(entries)))
	for i := range entries {
		e := &entries[i]
		p = binary.AppendUvarint(p, uint64(max(e.age, 0)/time.Millisecond))
		p = append(append(p, byte(len(e.addr))), e.addr...)
		report := e.report.Append(make([]byte, 0, gossip.ReportMax))
		p = append(binary.AppendUvarint(p, uint64(len(report))), report...)
	}
	body := p[at+headerSize:]
	binary.LittleEndian.PutUint32(p[at:], uint32(len(body)))
	binary.LittleEndian.PutUint32(p[at+4:], crc32.Checksum(body, castagnoli))
	return p
}

// readFrame reads one frame.
func readFrame(r io.Reader) ([]entry, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, fmt.Errorf("read a frame's header: %w", err)
	}
	n := binary.LittleEndian.Uint32(header[:])
	if n > frameMax {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", errFrame, n, frameMax)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("read a frame's body: %w", err)
	}
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return nil, fmt.Errorf("%w: wrong checksum", errFrame)
	}
	return decodeBody(body)
}

func decodeBody(p []byte) ([]entry, error) {
	const ageMax = uint64(365 * 24 * time.Hour / time.Millisecond)
	count, p, ok := number(p, gossip.MembersMax)
	if !ok {
		return nil, fmt.Errorf("%w: number of members", errFrame)
	}
	var entries []entry
	for range count {
		var age, n uint64
		if age, p, ok = number(p, ageMax); !ok || len(p) == 0 || len(p) <= int(p[0]) {
			return nil, fmt.Errorf("%w: age or address", errFrame)
		}
		addr := string(p[1 : 1+int(p[0])])
		if n, p, ok = number(p[1+len(addr):], gossip.ReportMax); !ok || uint64(len(p)) < n {
			return nil, fmt.Errorf("%w: length of a report", errFrame)
		}
		report, err := gossip.DecodeReport(p[:n])
		if err != nil {
			return nil, fmt.Errorf("read a frame: %w", err)
		}
		p = p[n:]
		entries = append(entries, entry{report, addr, time.Duration(age) * time.Millisecond})
	}
	if len(p) != 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", errFrame, len(p))
	}
	return entries, nil
}

// number takes a number up to most off p.
func number(p []byte, most uint64) (uint64, []byte, bool) {
	v, n := binary.Uvarint(p)
	if n <= 0 || v > most {
		return 0, p, false
	}
	return v, p[n:], true
}
