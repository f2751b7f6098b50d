package wal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// countingVolume counts the bytes that are read of its files.
type countingVolume struct {
	host.Volume
	read *int
}

func (v countingVolume) Open(path string, flag host.Flag) (host.File, error) {
	f, err := v.Volume.Open(path, flag)
	return countingFile{f, v.read}, err
}

type countingFile struct {
	host.File
	read *int
}

func (f countingFile) ReadAt(p []byte, off int64) (int, error) {
	*f.read += len(p)
	return f.File.ReadAt(p, off)
}

// TestAStartReadsTheWindowBehindTheEndTwiceAtMost: once with what the log holds, once to see that nothing comes behind;
// and a block for each further look at where the next frame would be.
func TestAStartReadsTheWindowBehindTheEndTwiceAtMost(t *testing.T) {
	for _, n := range []int{0, 1, 3, 40} { // 40 frames are more than a lap: there are old frames behind the end
		b := newBench(t, sim.Config{})
		trim := wal.Position(0)
		b.do(func(h host.Host, sc *host.Scope) error {
			l, _, err := open(h, sc, nil)
			for i := 0; i < n && err == nil; i++ {
				var rs []*record
				if rs, err = fill(h, sc, l, i, 1, 9000); err == nil && i >= 3 {
					trim = rs[0].at.Frame
					l.Trim(trim)
				}
			}
			return err
		})
		b.kill()
		b.do(func(h host.Host, sc *host.Scope) error {
			vol, err := h.Disk().Volume(sc, "v")
			require.NoError(t, err)
			cfg, err := ringConfig(h)
			require.NoError(t, err)
			read := 0
			want := wal.Expect{Cluster: testIdentity.Cluster, Volume: testIdentity.Volume, WAL: testIdentity.WAL}
			_, rec, err := wal.Open(nil, h, countingVolume{vol, &read}, ringFile, cfg, want)
			require.NoError(t, err)
			held := int(rec.End - rec.Start)
			if most := held + 2*slabBytes + 8*wal.BlockSize; read > most {
				t.Errorf("%d frames: the log holds %d bytes, and %d were read, want at most %d", n, held, read, most)
			}
			return nil
		})
	}
}
