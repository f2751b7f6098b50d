//go:build integration

package jepsen

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/weirmq/weir/check"
)

// librdkafka is kcat as an idempotent producer: a process a record, which ends when the record is delivered. It takes
// part where kcat is installed.
func (r *run) librdkafka(stop <-chan struct{}) {
	path, err := exec.LookPath("kcat")
	if err != nil {
		r.t.Log("no kcat here: no client of librdkafka takes part")
		return
	}
	id := r.rec.client()
	r.workers.Go(func() {
		for seq := uint32(1); r.slowRate.wait(stop); seq++ {
			if err := r.deliver(path, id, seq); err != nil && r.clients.Err() == nil {
				r.failf("kcat: %v", err)
			}
		}
	})
}

var deliveredLine = regexp.MustCompile(`Message delivered to partition (\d+) \(offset (\d+)\)`)

// deliver writes one record and notes where kcat says it was delivered.
func (r *run) deliver(path string, id int32, seq uint32) error {
	value, p := check.ValueOf(id, seq), rand.Int32N(r.partitions)
	cmd := exec.CommandContext(r.clients, path, "-P", "-b", strings.Join(r.cluster.Bootstrap(), ","), "-t", topic,
		"-p", strconv.Itoa(int(p)), "-vvv", "-X", "enable.idempotence=true", "-X", "linger.ms=0",
		"-X", "message.timeout.ms=0", "-X", "reconnect.backoff.max.ms=500", "-X", "retry.backoff.ms=100")
	cmd.Stdin = bytes.NewReader(append(encode(value), '\n'))
	op := check.Op{Kind: check.Produce, Outcome: check.Unknown, Client: id, Call: r.rec.now(), Idempotent: true,
		Values: []check.Value{value}, Partition: check.Partition{Topic: topic, Index: p}}
	defer r.rec.begun(&op)()
	said, err := cmd.CombinedOutput()
	if m := deliveredLine.FindSubmatch(said); m != nil && err == nil {
		op.Offset, err = strconv.ParseInt(string(m[2]), 10, 64)
		op.Outcome = outcome(err)
	}
	r.rec.done(op)
	if op.Outcome != check.OK && !bytes.Contains(said, []byte("All broker connections are down")) { // then kcat gives up
		return fmt.Errorf("%s to partition %d: %w: %s", value, p, err, said)
	}
	return nil
}
