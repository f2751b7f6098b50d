package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller/api"
)

func TestAClusterIsShownAsItsLeaderKnowsIt(t *testing.T) {
	members := []api.Member{{ID: 7, Node: 1, Addr: "a:1", Voter: true}, {ID: 8, Node: 2, Addr: "b:1", Voter: true},
		{ID: 9, Node: 3, Addr: "c:1"}}
	hint := api.Hint{Term: 5, Member: 8, Node: 2, Addr: "b:1"}
	first := &api.StatusAnswer{Self: members[0], Applied: 10, Leader: hint, Members: members,
		Brokers: []api.Broker{{Node: 1, Epoch: 3, Live: true, Addr: "a:1"}}}
	leads := &api.StatusAnswer{Self: members[1], Applied: 12, Leads: true, Leader: hint, Members: members,
		Brokers: []api.Broker{
			{Node: 1, Epoch: 3, Live: true, Draining: true, Addr: "a:1", Kafka: "a:9092", WALs: 2, Recovering: 1, Open: 4,
				Heard: true, Load: 99, LeaseLeft: 1234 * time.Millisecond},
			{Node: 4, Epoch: 6, Addr: "d:1"},
		},
		Sightings: []api.Sighting{{Node: 4, State: 3, Addr: "d:1"}}}
	v := viewOf(first, []*api.StatusAnswer{first, leads, nil})
	var out bytes.Buffer
	require.NoError(t, v.print(&out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 6)
	require.Contains(t, lines[0], "term 5  node 2 leads")
	for i, want := range []string{
		"1 controller+broker a:1 a:9092 - voter 5 10 3 draining 2 (1 to recover) 4 99 B/s 1234 ms -",
		"2 controller b:1 - - leader 5 12 - - - - - - -",
		"3 controller c:1 - - learner (no answer) - - - - - - - - -",
		"4 broker d:1 - - - - - 6 fenced 0 0 - - gone",
	} {
		require.Equal(t, want, strings.Join(strings.Fields(lines[i+2]), " "))
	}
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"leaseLeftMs":1234`)
}

func TestOnlyAControllerThatDoesNotAnswerIsRemoved(t *testing.T) {
	members := []api.Member{{ID: 7, Node: 1}, {ID: 8, Node: 2}, {ID: 9, Node: 2}}
	there := &api.StatusAnswer{}
	answers := []*api.StatusAnswer{there, there, nil} // node 2 came back with an empty disk
	lost, err := lostOf(members, answers, 2)
	require.NoError(t, err)
	require.Equal(t, members[2:], lost)
	_, err = lostOf(members, answers, 1)
	require.ErrorContains(t, err, "answers; stop that node first")
	_, err = lostOf(members, answers, 3)
	require.ErrorContains(t, err, "no controller")
}
