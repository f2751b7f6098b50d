package weir_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrow is one package and what of ours it may import.
type arrow struct {
	level int      // a package imports only packages of a lower level
	below bool     // … any of them; otherwise only those listed
	may   []string // folders, from the repository's root
}

// arrows is the shape of the system: one row a package. A package that is not
// here fails the test, so that its place is decided and not grown.
var arrows = map[string]arrow{
	"internal/invariant": {level: 0},
	"internal/probe":     {level: 0},
	"internal/mutant":    {level: 0},
	"check":              {level: 0},
	"check/model":        {level: 0},
	"host":               {level: 1, may: []string{"internal/invariant"}},

	"host/hosttest":         {level: 10, may: []string{"host", "internal/invariant"}},
	"host/oshost":           {level: 10, may: []string{"host", "internal/invariant"}},
	"objectstore":           {level: 10, may: []string{"host", "internal/invariant"}},
	"objectstore/filestore": {level: 11, may: []string{"host", "objectstore", "internal/invariant"}},
	"objectstore/s3store":   {level: 11, may: []string{"host", "objectstore", "internal/invariant"}},
	"objectstore/storetest": {level: 11, may: []string{"host", "objectstore"}},
	"metadata/metadatapb":   {level: 10},
	"metadata":              {level: 11, may: []string{"host", "metadata/metadatapb", "internal/invariant"}},
	"broker/batch":          {level: 10, may: []string{"internal/invariant"}},

	// rpc carries bytes between nodes; what they mean, its callers know.
	"rpc": {level: 12, may: []string{"host", "internal/invariant"}},

	// gossip says who seems to be there; what is decided by it, its users know.
	"gossip":            {level: 11, may: []string{"host", "internal/invariant"}},
	"gossip/gossiptest": {level: 12, may: []string{"host", "gossip"}},
	"gossip/listgossip": {level: 12, may: []string{"host", "gossip"}},
	"gossip/simgossip":  {level: 12, may: []string{"host", "gossip"}},

	// fault wraps the seams; it knows nothing of what runs over them.
	"fault": {level: 20, may: []string{"host", "objectstore", "internal/invariant"}},
	// fsck reads what is stored by the drawings in docs/format, never through the code that wrote it.
	"fsck": {level: 20, may: []string{"host", "objectstore", "metadata", "metadata/metadatapb"}},

	"wal": {level: 20, may: []string{"host", "internal/invariant"}},
	// objectwal is the WAL without a disk, with the entries and extents of package wal.
	"wal/objectwal":    {level: 21, may: []string{"host", "objectstore", "wal", "internal/invariant"}},
	"broker/partition": {level: 20, may: []string{"broker/batch", "internal/invariant"}},
	"broker/group":     {level: 20, may: []string{"host", "internal/invariant"}}, // host.Time only: events carry it

	"controller/lease": {level: 20, may: []string{"host"}}, // host.Time only
	// What controllers say, for those who serve it and those who call it.
	"controller/api": {level: 38, may: []string{"rpc", "metadata/metadatapb"}},
	// controller/remote is their client, in the brokers.
	"controller/remote": {level: 39, may: []string{
		"host", "rpc", "metadata", "metadata/metadatapb", "controller/api", "controller/lease",
	}},

	// What brokers say to each other, for both ends of it in broker.
	"broker/peer": {level: 39, may: []string{"rpc", "metadata/metadatapb", "internal/invariant"}},

	// What who leads does without being asked; the controller is its Leader.
	"controller/drive": {level: 39, may: []string{"host", "metadata", "metadata/metadatapb"}},

	// stream knows nothing of Kafka and nothing of metadata: it asks its Catalog.
	"stream": {level: 30, may: []string{"host", "objectstore", "wal", "internal/invariant"}},

	// collector deletes what metadata lets go of; a single process has it in its broker, a cluster with who leads.
	"collector": {level: 31, may: []string{"host", "objectstore", "metadata", "metadata/metadatapb"}},

	// broker and controller never import each other: they share metadata.
	"broker": {level: 40, may: []string{
		"host", "objectstore", "metadata", "metadata/metadatapb", "wal", "stream",
		"broker/batch", "broker/partition", "broker/group", "internal/invariant", "rpc", "broker/peer", "collector",
	}},
	"controller": {level: 40, may: []string{
		"host", "objectstore", "metadata", "metadata/metadatapb", "wal", "internal/invariant",
		"rpc", "controller/api", "controller/lease",
	}},
	"node": {level: 50, below: true},

	// The simulated machine stays small, so that every package's tests may use it.
	"sim":            {level: 60, may: []string{"host", "objectstore", "fault", "internal/invariant"}},
	"sim/workload":   {level: 61, below: true},
	"sim/cluster":    {level: 62, below: true},
	"sim/shrink":     {level: 62, below: true},
	"sim/run":        {level: 63, below: true},
	"sim/run/report": {level: 64, below: true},
	// localcluster runs real processes; it knows of weir what a configuration file and a socket say.
	"localcluster": {level: 65},
	"cmd/weir":     {level: 70, below: true},
	"crashtest":    {level: 70, below: true}, // tests of the binary only
	"jepsen":       {level: 70, below: true}, // tests of a cluster of them

	// The yardstick shares no code with what it measures.
	"bench/bare": {level: 0},
	"bench":      {level: 70, below: true},
}

// marks are the packages that any package above level 0 may import: they mark places in the code.
var marks = []string{"internal/invariant", "internal/probe", "internal/mutant"}

// libraries says which packages may import a library in production. Nothing
// else may: a library has one home, and leaves it through our own types.
var libraries = map[string][]string{
	"github.com/anishathalye/porcupine": {"check"},
	"github.com/klauspost/compress":     {"broker/batch"},
	"github.com/pierrec/lz4/v4":         {"broker/batch"},
	"github.com/minio/minio-go/v7":      {"objectstore/s3store"},
	"github.com/hashicorp/memberlist":   {"gossip/listgossip"},
	"google.golang.org/protobuf": {
		"metadata", "metadata/metadatapb", "controller", "controller/api", "broker/peer",
	},
	"go.etcd.io/raft/v3":                  {"controller"},
	"github.com/twmb/franz-go/pkg/kmsg":   {"broker", "sim/workload", "cmd/weir", "bench", "bench/bare"},
	"github.com/twmb/franz-go/pkg/kgo":    {"cmd/weir", "bench"},
	"github.com/twmb/franz-go/pkg/kadm":   {"cmd/weir", "bench"},
	"github.com/twmb/franz-go/pkg/kerr":   {"cmd/weir", "bench"},
	"github.com/prometheus/client_golang": {"cmd/weir"},
	"github.com/spf13/cobra":              {"cmd/weir"},
	"github.com/spf13/pflag":              {"cmd/weir"},
	"go.yaml.in/yaml/v3":                  {"cmd/weir"},
	"golang.org/x/sys":                    {"host/oshost", "bench", "bench/bare", "cmd/weir"},
}

// testLibraries says which packages' tests may import a library besides the
// packages that import it in production. "*" is every package.
var testLibraries = map[string][]string{
	"github.com/stretchr/testify":       {"*"},
	"pgregory.net/rapid":                {"*"},
	"github.com/klauspost/compress":     {"broker", "broker/partition", "node", "sim/workload"},
	"github.com/twmb/franz-go/pkg/kmsg": {"node", "broker/batch", "crashtest", "fsck", "jepsen"},
	"github.com/twmb/franz-go/pkg/kgo":  {"broker", "node", "sim/workload", "crashtest", "jepsen"},
	"github.com/twmb/franz-go/pkg/kadm": {"broker", "node", "sim/workload", "crashtest", "jepsen"},
	"github.com/twmb/franz-go/pkg/kerr": {"crashtest", "jepsen"},
}

// TestArrows holds the import table against the source.
func TestArrows(t *testing.T) {
	tr := loadTree(t)
	for _, p := range tr.packages {
		if _, known := arrows[p.dir]; !known && p.dir != "" {
			t.Errorf("package %s has no row in arrows_test.go: decide its level and what it may import", p.dir)
			continue
		}
		for _, f := range p.files {
			for _, spec := range f.ast.Imports {
				target, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if why := judgeImport(p.dir, target, f.test); why != "" {
					t.Errorf("%s: imports %s: %s", tr.fset.Position(spec.Pos()), target, why)
				}
			}
		}
	}
}

// judgeImport returns why the package in folder dir may not import target, or "".
func judgeImport(dir, target string, test bool) string {
	if target == modulePath || strings.HasPrefix(target, modulePath+"/") {
		return judgeOurs(dir, strings.TrimPrefix(strings.TrimPrefix(target, modulePath), "/"), test)
	}
	first, _, _ := strings.Cut(target, "/")
	if !strings.Contains(first, ".") {
		return "" // the standard library; the bans judge it
	}
	return judgeLibrary(dir, target, test)
}

func judgeOurs(dir, target string, test bool) string {
	from, to := arrows[dir], arrows[target]
	if test {
		return "" // tests look at a package from above: the simulator, suites, the package itself
	}
	if to.level >= from.level {
		return fmt.Sprintf("arrows point down: level %d may not know level %d; "+
			"pass what is needed in through an interface that %s owns", from.level, to.level, dir)
	}
	if !from.below && !slices.Contains(from.may, target) && !slices.Contains(marks, target) {
		return "not among what arrows_test.go lets " + dir + " know; ask for it through an interface of your own"
	}
	return ""
}

func judgeLibrary(dir, target string, test bool) string {
	known := false
	for library, importers := range libraries {
		if within(target, library) {
			known = true
			if slices.Contains(importers, dir) {
				return ""
			}
		}
	}
	for library, importers := range testLibraries {
		if test && within(target, library) && (slices.Contains(importers, dir) || slices.Contains(importers, "*")) {
			return ""
		}
	}
	if known {
		return "this library has one home (libraries in arrows_test.go); use the types of that package"
	}
	return "a library without a home in arrows_test.go: weigh it, then give it one importing package"
}

// within tells whether an import path is the library or a package below it.
func within(target, library string) bool {
	return target == library || strings.HasPrefix(target, library+"/")
}

func TestArrowTableIsConsistent(t *testing.T) {
	for dir, from := range arrows {
		for _, target := range from.may {
			to, known := arrows[target]
			if !known || to.level >= from.level {
				t.Errorf("arrows: %s (level %d) may import %s, not a package below it", dir, from.level, target)
			}
		}
	}
}

func TestImportsAgainstTheArrowsAreRefused(t *testing.T) {
	cases := []struct {
		dir, target string
		test        bool
		refused     bool
	}{
		{"stream", modulePath + "/wal", false, false},
		{"stream", modulePath + "/metadata", false, true},
		{"wal", modulePath + "/stream", false, true},
		{"broker", modulePath + "/controller", false, true},
		{"controller", modulePath + "/broker", false, true},
		{"node", modulePath + "/sim", false, true},
		{"node", modulePath + "/broker", false, false},
		{"wal", modulePath + "/sim", true, false},
		{"check", modulePath + "/internal/invariant", false, true},
		{"sim", modulePath + "/node", false, true},
		{"broker", "github.com/twmb/franz-go/pkg/kmsg", false, false},
		{"wal", "github.com/twmb/franz-go/pkg/kmsg", false, true},
		{"broker/group", "github.com/stretchr/testify/require", false, true},
		{"broker/group", "github.com/stretchr/testify/require", true, false},
		{"sim/workload", "github.com/anishathalye/porcupine", false, true},
		{"node", "example.org/new/library", false, true},
		{"node", "encoding/binary", false, false},
	}
	for _, c := range cases {
		if why := judgeImport(c.dir, c.target, c.test); (why != "") != c.refused {
			t.Errorf("%s importing %s (test %v): refused %q, want refused %v", c.dir, c.target, c.test, why, c.refused)
		}
	}
}
