package gossip

import (
	"encoding/binary"
	"fmt"
	"math"
)

// ReportMax is the longest report in bytes: what memberlist carries with a node's name.
const ReportMax = 512

// reportVersion is raised when older nodes must not read a report. What is only added goes behind the last field,
// where they pass over it.
const reportVersion = 1

const flagLeaving = 1

// Report is what one life of a node says of itself at one moment.
type Report struct {
	Self
	Instance uint64 // drawn at random when the life began; never 0
	Number   uint64 // of the report: each is higher than the ones before
	Epoch    int64  // broker epoch; 0 = none yet
	Load     Load
	Leaving  bool // it says goodbye
}

// Validate tells whether s fits a report.
func (s *Self) Validate() error {
	for _, of := range []struct {
		name, text string
		most       int
	}{
		{"name", s.Name, TextMax}, {"rack", s.Rack, TextMax},
		{"cluster address", s.Cluster, AddressMax}, {"Kafka address", s.Kafka, AddressMax},
	} {
		if len(of.text) > of.most {
			return fmt.Errorf("%w: the %s %q has %d bytes, at most %d are possible: shorten it",
				ErrSelf, of.name, of.text, len(of.text), of.most)
		}
	}
	if s.Node < 0 {
		return fmt.Errorf("%w: node id %d is negative", ErrSelf, s.Node)
	}
	return nil
}

// Append appends the bytes of r, at most ReportMax. Its Self must be valid.
func (r *Report) Append(p []byte) []byte {
	flags := byte(0)
	if r.Leaving {
		flags |= flagLeaving
	}
	p = append(p, reportVersion, flags, byte(r.Roles))
	p = binary.LittleEndian.AppendUint64(p, r.Instance)
	for _, n := range []uint64{
		r.Number, uint64(uint32(r.Node)), uint64(r.Epoch), r.Load.BytesIn, r.Load.BytesOut, r.Load.Requests,
		r.Load.AppendMicros, uint64(r.Load.PartitionsLed),
	} {
		p = binary.AppendUvarint(p, n)
	}
	for _, text := range []string{r.Name, r.Rack, r.Cluster, r.Kafka} {
		p = append(append(p, byte(len(text))), text...)
	}
	return p
}

// DecodeReport reads what Append wrote; the report keeps nothing of p. Bytes behind the last field are a newer node's.
func DecodeReport(p []byte) (Report, error) {
	const fixed = 3 + 8
	switch {
	case len(p) > ReportMax:
		return Report{}, fmt.Errorf("%w: %d bytes, at most %d", ErrReport, len(p), ReportMax)
	case len(p) < fixed:
		return Report{}, fmt.Errorf("%w: only %d bytes", ErrReport, len(p))
	case p[0] != reportVersion:
		return Report{}, fmt.Errorf("%w: version %d, this node reads %d", ErrReport, p[0], reportVersion)
	}
	r := Report{Leaving: p[1]&flagLeaving != 0, Instance: binary.LittleEndian.Uint64(p[3:])}
	r.Roles = Roles(p[2])
	d := reportReader{p: p[fixed:]}
	r.Number = d.number(math.MaxUint64)
	r.Node = int32(d.number(math.MaxInt32))
	r.Epoch = int64(d.number(math.MaxInt64))
	r.Load = Load{
		BytesIn:       d.number(math.MaxUint64),
		BytesOut:      d.number(math.MaxUint64),
		Requests:      d.number(math.MaxUint64),
		AppendMicros:  d.number(math.MaxUint64),
		PartitionsLed: uint32(d.number(math.MaxUint32)),
	}
	r.Name, r.Rack = d.text(TextMax), d.text(TextMax)
	r.Cluster, r.Kafka = d.text(AddressMax), d.text(AddressMax)
	if d.bad || r.Instance == 0 {
		return Report{}, fmt.Errorf("%w: a field is out of bounds or missing", ErrReport)
	}
	return r, nil
}

// reportReader takes fields off p until one is bad.
type reportReader struct {
	p   []byte
	bad bool
}

func (d *reportReader) number(most uint64) uint64 {
	v, n := binary.Uvarint(d.p)
	if d.bad || n <= 0 || v > most {
		d.bad = true
		return 0
	}
	d.p = d.p[n:]
	return v
}

func (d *reportReader) text(most int) string {
	if d.bad || len(d.p) == 0 || int(d.p[0]) > most || len(d.p) <= int(d.p[0]) {
		d.bad = true
		return ""
	}
	n := 1 + int(d.p[0])
	text := string(d.p[1:n])
	d.p = d.p[n:]
	return text
}
