package run

import (
	"fmt"
	"strings"

	"github.com/weirmq/weir/sim/workload"
)

// clusterSeeds is how many worlds of several nodes a sweep must have before it fails because none of them had
// something to survive.
const clusterSeeds = 40

func (s *Summary) addCluster(c *workload.ClusterCounts) {
	if c == nil {
		return
	}
	if s.Cluster == nil {
		s.Cluster = &workload.ClusterCounts{}
	}
	sum := s.Cluster
	sum.Moves += c.Moves
	sum.Takeovers += c.Takeovers
	sum.Zombies += c.Zombies
	sum.Notices += c.Notices
	sum.Drains += c.Drains
	sum.Gone += c.Gone
	sum.Frozen += c.Frozen
	sum.Fenced += c.Fenced
}

// idle lists what worlds of several nodes are there for and none of a long sweep had.
func (s *Summary) idle() (list []string) {
	c := s.Cluster
	if c == nil || s.Done() < clusterSeeds {
		return nil
	}
	for _, x := range []struct {
		what string
		n    int
	}{
		{"moves", c.Moves}, {"takeovers", c.Takeovers}, {"zombies", c.Zombies}, {"notices", c.Notices}, {"losses", c.Gone},
		{"drains", c.Drains}, {"nodes frozen", c.Frozen},
		{"fences", c.Fenced},
	} {
		if x.n == 0 {
			list = append(list, x.what)
		}
	}
	return list
}

func writeCluster(b *strings.Builder, c *workload.ClusterCounts) {
	if c == nil {
		return
	}
	fmt.Fprintf(b, "cluster: %d moves, %d WALs taken over, %d pauses within a commit, %d notices, %d drains, "+
		"%d nodes gone for ever, %d frozen, %d ended because they were fenced\n", c.Moves, c.Takeovers, c.Zombies, c.Notices,
		c.Drains, c.Gone, c.Frozen, c.Fenced)
}
