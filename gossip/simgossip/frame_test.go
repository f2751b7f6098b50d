package simgossip

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/gossip"
)

var update = flag.Bool("update", false, "write the golden files")

func sampleEntries() []entry {
	return []entry{
		{gossip.Report{Self: gossip.Self{Node: 1, Name: "one"}, Instance: 11, Number: 3, Epoch: 4}, "a:7", 0},
		{gossip.Report{Self: gossip.Self{Node: 2}, Instance: 12, Leaving: true}, "", 1500 * time.Millisecond},
	}
}

func TestFrameBytesArePinned(t *testing.T) {
	text := hex.EncodeToString(appendFrame(nil, sampleEntries())) + "\n"
	if *update {
		require.NoError(t, os.WriteFile("testdata/frame.hex", []byte(text), 0o644))
	}
	want, err := os.ReadFile("testdata/frame.hex")
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

func TestAFrameIsReadAsItWasWritten(t *testing.T) {
	p := appendFrame(nil, sampleEntries())
	got, err := readFrame(bytes.NewReader(p))
	require.NoError(t, err)
	require.Equal(t, sampleEntries(), got)
	for i := range p {
		p[i] ^= 1
		_, err := readFrame(bytes.NewReader(p))
		require.Error(t, err, "byte %d", i)
		p[i] ^= 1
		_, err = readFrame(bytes.NewReader(p[:i]))
		require.Error(t, err, "%d bytes", i)
	}
}

func TestTheLargestFrameFits(t *testing.T) {
	address := strings.Repeat("a", 255)
	report := gossip.Report{Self: gossip.Self{Cluster: address[:gossip.AddressMax]}, Instance: 1}
	report.Name, report.Rack = address[:gossip.TextMax], address[:gossip.TextMax]
	report.Kafka = report.Cluster
	entries := make([]entry, gossip.MembersMax)
	for i := range entries {
		entries[i] = entry{report, address, time.Hour}
	}
	p := appendFrame(nil, entries)
	require.Less(t, len(p)+gossip.MembersMax*(gossip.ReportMax-len(report.Append(nil))), frameMax)
	got, err := readFrame(bytes.NewReader(p))
	require.NoError(t, err)
	require.Len(t, got, gossip.MembersMax)
}

func FuzzFrameBody(f *testing.F) {
	f.Add(appendFrame(nil, sampleEntries())[headerSize:])
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, p []byte) {
		entries, err := decodeBody(p)
		if err != nil {
			return
		}
		again, err := readFrame(bytes.NewReader(appendFrame(nil, entries)))
		require.NoError(t, err)
		require.Equal(t, entries, again)
	})
}
