package node_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// realCrowd starts three nodes over real sockets and returns where clients reach them, by id.
func realCrowd(t *testing.T) map[int32]string {
	t.Helper()
	volumes, store := t.TempDir(), t.TempDir()
	var addrs []string
	for range 3 {
		addrs = append(addrs, freeAddr(t))
	}
	at := map[int32]string{}
	for i, addr := range addrs {
		id := int32(i + 1)
		at[id] = startReal(t, t.TempDir(), volumes, store, realConfig(id, addr, addrs)).n.Advertised()
	}
	return at
}

// TestClientsAndAdminToolsFindTheirWayWhilePartitionsMove has franz-go produce, consume in a group and administrate.
func TestClientsAndAdminToolsFindTheirWayWhilePartitionsMove(t *testing.T) {
	const partitions, rounds = 4, 3
	at := realCrowd(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(at[2]), kgo.DefaultProduceTopic(testTopic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.MetadataMinAge(20*time.Millisecond))
	require.NoError(t, err)
	defer cl.Close()
	adm := kadm.NewClient(cl)
	require.Eventually(t, func() bool { // the last one has just said where it is
		brokers, err := adm.ListBrokers(ctx)
		return err == nil && len(brokers) == 3
	}, 10*time.Second, 10*time.Millisecond)
	_, err = adm.CreateTopic(ctx, partitions, -1, nil, testTopic)
	require.NoError(t, err)

	stop, ended := make(chan struct{}), make(chan int)
	go func() { ended <- produceUntil(ctx, t, cl, partitions, stop) }()
	for range rounds {
		moveOn(ctx, t, adm, partitions)
	}
	close(stop)
	produced := <-ended
	require.Greater(t, produced, partitions) // how many depends on the machine
	consumeAll(ctx, t, at[3], produced, partitions)

	elected, err := adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, kadm.TopicsSet{testTopic: {0: {}}})
	require.NoError(t, err)
	require.ErrorContains(t, elected[testTopic][0].Err, "ELECTION_NOT_NEEDED")
	groups, err := adm.DescribeGroups(ctx, "readers")
	require.NoError(t, err)
	require.NoError(t, groups.Error())
	deleted, err := adm.DeleteTopics(ctx, testTopic)
	require.NoError(t, err)
	require.NoError(t, deleted.Error())
}

// produceUntil appends numbers to the partitions in turn until it is told to stop, and returns how many.
func produceUntil(ctx context.Context, t *testing.T, cl *kgo.Client, partitions int, stop chan struct{}) int {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return n
		default:
		}
		r := &kgo.Record{Partition: int32(n % partitions), Value: fmt.Append(nil, n/partitions)}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Errorf("record %d: %v", n, err)
			return n
		}
	}
}

// moveOn gives each partition to the broker after its leader, and waits until all are there.
func moveOn(ctx context.Context, t *testing.T, adm *kadm.Client, partitions int) {
	t.Helper()
	details, err := adm.ListTopics(ctx, testTopic)
	require.NoError(t, err)
	var req kadm.AlterPartitionAssignmentsReq
	want := map[int32]int32{}
	for p := range int32(partitions) {
		want[p] = details[testTopic].Partitions[p].Leader%3 + 1
		req.Assign(testTopic, p, []int32{want[p]})
	}
	begun, err := adm.AlterPartitionAssignments(ctx, req)
	require.NoError(t, err)
	require.NoError(t, begun.Error())
	require.Eventually(t, func() bool {
		moving, err := adm.ListPartitionReassignments(ctx, nil)
		if err != nil || len(moving) > 0 {
			return false
		}
		details, err := adm.ListTopics(ctx, testTopic)
		if err != nil {
			return false
		}
		for p, leader := range want {
			if details[testTopic].Partitions[p].Leader != leader {
				return false
			}
		}
		return true
	}, 20*time.Second, 10*time.Millisecond)
}

// consumeAll reads everything in a group and wants each partition's numbers in order, each once.
func consumeAll(ctx context.Context, t *testing.T, seed string, produced, partitions int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(seed), kgo.ConsumerGroup("readers"), kgo.ConsumeTopics(testTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer cl.Close()
	next := make([]int, partitions)
	for read := 0; read < produced; {
		fetches := cl.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			require.Equal(t, fmt.Sprint(next[r.Partition]), string(r.Value), "partition %d offset %d", r.Partition, r.Offset)
			next[r.Partition]++
			read++
		})
	}
	require.NoError(t, cl.CommitUncommittedOffsets(ctx))
}
