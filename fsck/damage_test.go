package fsck_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// still is a stopped world's volumes and bucket, to be spoilt.
type still struct {
	meta, wal, node *image
	objects         map[string][]byte
}

func (s *still) List() ([]fsck.Object, error) {
	var list []fsck.Object
	for key, b := range s.objects {
		list = append(list, fsck.Object{Key: key, Size: int64(len(b))})
	}
	return list, nil
}

func (s *still) Get(key string) ([]byte, error) {
	if b, ok := s.objects[key]; ok {
		return b, nil
	}
	return nil, fsck.ErrMissing
}

func (s *still) check(o fsck.Options) *fsck.Report {
	o.Node = s.node
	return fsck.Check(s.meta, s.wal, s, o)
}

// ringPath is the ring's file.
func (s *still) ringPath() string {
	for _, path := range s.wal.names {
		if !strings.HasSuffix(path, ".fence") {
			return path
		}
	}
	return ""
}

// find returns the object that holds text, and where.
func (s *still) find(text string) (string, int) {
	for key, b := range s.objects {
		if at := bytes.Index(b, []byte(text)); at >= 0 {
			return key, at
		}
	}
	return "", -1
}

// killed is what a node leaves that was killed with records in objects and others in its WAL only.
func killed(t *testing.T) *still {
	t.Helper()
	r := newRig(t, sim.Config{Seed: 9})
	require.NoError(t, r.boot())
	require.NoError(t, r.client(func(c *client) error { return load(c, 20) }))
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(2*time.Second)))
	require.NoError(t, r.client(func(c *client) error {
		for i := range 6 {
			if _, err := c.produce(0, batch.Plain(), fmt.Sprint("tail", i)); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(250*time.Millisecond))) // D is written
	r.m.KillWith(sim.KeepUnsynced)
	r.clean(fsck.Options{})
	s := &still{meta: durable(r.m.Volume("meta")), wal: durable(r.m.Volume("wal")), node: durable(r.m.Volume("node")),
		objects: map[string][]byte{}}
	for _, key := range r.w.Objects() {
		b, _ := r.w.Object(key)
		s.objects[key] = bytes.Clone(b)
	}
	require.NoError(t, r.w.Close())
	require.NoError(t, s.check(fsck.Options{}).Err())
	return s
}

// spoils is one thing that goes wrong, with kinds of findings and words that must come of it.
type spoils struct {
	name  string
	spoil func(s *still)
	kinds []fsck.Kind
	says  string
}

func spoilText(s *still, text string) {
	b := s.wal.files[s.ringPath()]
	b[bytes.Index(b, []byte(text))] ^= 4
}

func spoilRing() []spoils {
	return []spoils{
		{"a record in the ring", func(s *still) { spoilText(s, "tail3") }, []fsck.Kind{fsck.Frame, fsck.Lost},
			"orders partition 0"},
		{"the last frame of the ring", func(s *still) {
			b := s.wal.files[s.ringPath()]
			b[bytes.Index(b, []byte("tail5"))] ^= 1
		}, []fsck.Kind{fsck.Frame}, "orders partition 0"},
		{"a frame's header", func(s *still) {
			b := s.wal.files[s.ringPath()]
			b[bytes.Index(b, []byte("tail3"))/4096*4096+41] ^= 1
		}, []fsck.Kind{fsck.Frame}, "orders partition 0"},
		{"a block of zeros in the ring", func(s *still) {
			b := s.wal.files[s.ringPath()]
			at := bytes.Index(b, []byte("tail3")) / 4096 * 4096
			clear(b[at : at+4096])
		}, []fsck.Kind{fsck.Frame, fsck.Lost}, "orders partition 0"},
		{"the last frame gone", func(s *still) {
			b := s.wal.files[s.ringPath()]
			at := bytes.Index(b, []byte("tail5")) / 4096 * 4096
			clear(b[at : at+4096])
		}, []fsck.Kind{fsck.Evidence}, "D of its superblock"},
	}
}

func spoilHeads() []spoils {
	return []spoils{
		{"one superblock", func(s *still) { s.wal.files[s.ringPath()][130] ^= 1 }, []fsck.Kind{fsck.Superblock},
			"first"},
		{"both superblocks", func(s *still) {
			b := s.wal.files[s.ringPath()]
			b[130] ^= 1
			b[len(b)-4000] ^= 1
		}, []fsck.Kind{fsck.Superblock}, "no superblock"},
		{"the ring's file gone", func(s *still) {
			path := s.ringPath()
			delete(s.wal.files, path)
			s.wal.names = []string{path + ".fence"}
		}, []fsck.Kind{fsck.Superblock}, "missing"},
		{"the fence word", func(s *still) { s.wal.files[s.ringPath()+".fence"][33] ^= 1 }, []fsck.Kind{fsck.Fence},
			""},
		{"a newer fence word", func(s *still) {
			b := s.wal.files[s.ringPath()+".fence"]
			b[32]++
			binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
		}, []fsck.Kind{fsck.Fence}, "old copy"},
		{"the metadata log", func(s *still) {
			b := s.meta.files["raft.wal"]
			b[bytes.LastIndex(b, []byte("WEIRFRAM"))+300] ^= 1
		}, []fsck.Kind{fsck.Frame}, "raft.wal"},
		{"the metadata log gone", func(s *still) {
			delete(s.meta.files, "raft.wal")
			s.meta.names = nil
		}, []fsck.Kind{fsck.Identity}, "there is no metadata"},
		{"the identity", func(s *still) { s.node.files["identity"][30] ^= 1 }, []fsck.Kind{fsck.Identity}, ""},
	}
}

func spoilObjects() []spoils {
	return []spoils{
		{"an object gone", func(s *still) {
			key, _ := s.find("i7")
			delete(s.objects, key)
		}, []fsck.Kind{fsck.Missing}, "orders partition"},
		{"a record in an object", func(s *still) {
			key, at := s.find("a3xxx")
			s.objects[key][at] ^= 1
		}, []fsck.Kind{fsck.BadObject}, "orders partition 1 offsets"},
		{"an index", func(s *still) {
			key, _ := s.find("a3xxx")
			b := s.objects[key]
			b[bytes.LastIndex(b, []byte("WIDX"))+20] ^= 1
		}, []fsck.Kind{fsck.BadObject}, "index"},
		{"a footer", func(s *still) {
			key, _ := s.find("a3xxx")
			b := s.objects[key]
			b[len(b)-50] ^= 1
		}, []fsck.Kind{fsck.BadObject}, "footer"},
		{"an object cut short", func(s *still) {
			key, _ := s.find("a3xxx")
			s.objects[key] = s.objects[key][:100]
		}, []fsck.Kind{fsck.BadObject}, "100 bytes"},
	}
}

// TestDamageIsNamed spoils one thing at a time.
func TestDamageIsNamed(t *testing.T) {
	for _, c := range slices.Concat(spoilRing(), spoilHeads(), spoilObjects()) {
		t.Run(c.name, func(t *testing.T) {
			s := killed(t)
			c.spoil(s)
			rep := s.check(fsck.Options{})
			require.False(t, rep.OK())
			said, kinds := "", map[fsck.Kind]bool{}
			for _, f := range rep.Findings {
				said += f.String() + "\n"
				kinds[f.Kind] = true
			}
			for _, k := range c.kinds {
				require.True(t, kinds[k], "no finding of kind %s:\n%s", k, said)
			}
			require.Contains(t, said, c.says)
		})
	}
}

// TestWhatIsLeftOverIsTold: keys that nothing refers to, by what may become of them.
func TestWhatIsLeftOverIsTold(t *testing.T) {
	s := killed(t)
	var some string
	for some = range s.objects {
		break
	}
	parts := strings.Split(some, "/")
	key := func(epoch, seq int) string {
		rest := fmt.Sprintf("%s/%s/%d/%016x", parts[1], parts[2], epoch, seq)
		return fmt.Sprintf("%08x/%s", crc32.Checksum([]byte(rest), crc32.MakeTable(crc32.Castagnoli)), rest)
	}
	s.objects[key(1, 999)] = []byte("put and not committed")
	s.objects["a/photo.jpg"] = []byte("of somebody else")
	rep := s.check(fsck.Options{})
	require.NoError(t, rep.Err())
	require.Equal(t, 1, rep.Counts.Leaked)
	require.Error(t, s.check(fsck.Options{NoLeaks: true}).Err())
	s.objects[key(7, 1)] = []byte("of an epoch that was never issued")
	rep = s.check(fsck.Options{})
	require.Len(t, rep.Findings, 1)
	require.Equal(t, fsck.Leak, rep.Findings[0].Kind)
	require.Error(t, s.check(fsck.Options{Stopped: true}).Err(), "it was killed")
}

// TestAHalfWrittenFenceWordIsWhatACrashLeaves tears the fence word before its checksum, and before its generation: who
// takes the WAL over writes it anew. Anything else is a finding after a crash too.
func TestAHalfWrittenFenceWordIsWhatACrashLeaves(t *testing.T) {
	s := killed(t)
	word := s.wal.files[s.ringPath()+".fence"]
	for _, at := range []int{32, 60} {
		word[at] ^= 1
		require.NoError(t, s.check(fsck.Options{Crashed: true}).Err())
		require.Error(t, s.check(fsck.Options{}).Err())
		word[at] ^= 1
	}
	for _, at := range []int{0, 8, 16, 45} {
		word[at] ^= 1
		require.ErrorContains(t, s.check(fsck.Options{Crashed: true}).Err(), "the fence word", "byte %d", at)
		word[at] ^= 1
	}
}

// TestARecordInTwoPlacesIsHeldAgainstItself: what the ring still has of objects must be the same bytes.
func TestARecordInTwoPlacesIsHeldAgainstItself(t *testing.T) {
	s := killed(t)
	o := fsck.Options{Cache: &fsck.Cache{}}
	require.NoError(t, s.check(o).Err())
	o.Cache.Twist()
	rep := s.check(o)
	require.False(t, rep.OK())
	require.Equal(t, fsck.Differs, rep.Findings[0].Kind, "%v", rep.Findings)
}
