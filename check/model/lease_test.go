package model

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// leaseNested asserts what the lease is for, of every state: no lease outlasts the fence.
func leaseNested() *Model[leaseState] {
	m := lease()
	m.Broken = func(s leaseState) string {
		if s.fenced == 1 && s.lease > 0 {
			return "LeaseNested"
		}
		return ""
	}
	return m
}

func TestNoLeaseOutlastsTheFenceWhileClocksRun(t *testing.T) {
	require.True(t, Explore(leaseNested(), nil, Limit).Safe())
	require.True(t, Explore(leaseNested(), []string{"fence-word"}, Limit).Safe())
	require.Equal(t, "LeaseNested", Explore(leaseNested(), []string{"clock-runs"}, Limit).Broken,
		"waived where a clock may stand still: there the fence word must hold")
}
