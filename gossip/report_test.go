package gossip_test

import (
	"encoding/hex"
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/gossip"
)

var update = flag.Bool("update", false, "write the golden files")

func sampleReport() gossip.Report {
	return gossip.Report{
		Self: gossip.Self{
			Node: 7, Roles: gossip.RoleBroker | gossip.RoleController, Name: "weir-7", Rack: "eu-1a",
			Cluster: "10.0.0.7:9093", Kafka: "kafka-7.example.org:9092",
		},
		Instance: 0x0123456789abcdef, Number: 300, Epoch: 12,
		Load: gossip.Load{
			BytesIn: 1 << 30, BytesOut: 1 << 31, Requests: 5000, AppendMicros: 1700, PartitionsLed: 64,
		},
	}
}

// largestReport has every field at its bound.
func largestReport() gossip.Report {
	text := strings.Repeat("n", gossip.TextMax)
	address := strings.Repeat("a", gossip.AddressMax)
	return gossip.Report{
		Self: gossip.Self{
			Node: math.MaxInt32, Roles: math.MaxUint8, Name: text, Rack: text, Cluster: address, Kafka: address,
		},
		Instance: math.MaxUint64, Number: math.MaxUint64, Epoch: math.MaxInt64,
		Load: gossip.Load{
			BytesIn: math.MaxUint64, BytesOut: math.MaxUint64, Requests: math.MaxUint64,
			AppendMicros: math.MaxUint64, PartitionsLed: math.MaxUint32,
		},
		Leaving: true,
	}
}

func TestReportBytesArePinned(t *testing.T) {
	sample, largest := sampleReport(), largestReport()
	text := hex.EncodeToString(sample.Append(nil)) + "\n" + hex.EncodeToString(largest.Append(nil)) + "\n"
	if *update {
		require.NoError(t, os.WriteFile("testdata/reports.hex", []byte(text), 0o644))
	}
	want, err := os.ReadFile("testdata/reports.hex")
	require.NoError(t, err)
	require.Equal(t, string(want), text, "the format changed: raise reportVersion or go back")
}

func TestTheLargestReportFits(t *testing.T) {
	largest := largestReport()
	require.NoError(t, largest.Validate())
	p := largest.Append(nil)
	require.Len(t, p, 468, "docs/format/gossip.md says so")
	require.LessOrEqual(t, len(p), gossip.ReportMax)
	got, err := gossip.DecodeReport(p)
	require.NoError(t, err)
	require.Equal(t, largest, got)
}

func TestReportsThatAreCutOrWrongAreRefused(t *testing.T) {
	sample := sampleReport()
	p := sample.Append(nil)
	for n := range p {
		_, err := gossip.DecodeReport(p[:n])
		require.ErrorIs(t, err, gossip.ErrReport, "%d bytes", n)
	}
	_, err := gossip.DecodeReport(append([]byte{2}, p[1:]...))
	require.ErrorContains(t, err, "version 2, this node reads 1")
	_, err = gossip.DecodeReport(make([]byte, gossip.ReportMax+1))
	require.ErrorIs(t, err, gossip.ErrReport)
	sample.Instance = 0
	_, err = gossip.DecodeReport(sample.Append(nil))
	require.ErrorIs(t, err, gossip.ErrReport)
}

func TestWhatANewerNodeAddsIsPassedOver(t *testing.T) {
	sample := sampleReport()
	got, err := gossip.DecodeReport(append(sample.Append(nil), 1, 2, 3))
	require.NoError(t, err)
	require.Equal(t, sample, got)
}

func TestASelfThatDoesNotFitIsRefused(t *testing.T) {
	for _, s := range []gossip.Self{
		{Node: -1},
		{Name: strings.Repeat("x", gossip.TextMax+1)},
		{Rack: strings.Repeat("x", gossip.TextMax+1)},
		{Cluster: strings.Repeat("x", gossip.AddressMax+1)},
		{Kafka: strings.Repeat("x", gossip.AddressMax+1)},
	} {
		require.ErrorIs(t, s.Validate(), gossip.ErrSelf)
	}
}

func FuzzReport(f *testing.F) {
	sample, largest := sampleReport(), largestReport()
	f.Add(sample.Append(nil))
	f.Add(largest.Append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		r, err := gossip.DecodeReport(p)
		if err != nil {
			return
		}
		require.NoError(t, r.Validate())
		again, err := gossip.DecodeReport(r.Append(nil))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
