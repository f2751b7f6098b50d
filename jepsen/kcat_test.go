//go:build integration

package jepsen

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/weirmq/weir/check"
)

// librdkafka is kcat as an idempotent producer, one record under way at a time: it tells of each delivery. It takes
// part where kcat is installed.
func (r *run) librdkafka(stop <-chan struct{}) {
	path, err := exec.LookPath("kcat")
	if err != nil {
		r.t.Log("no kcat here: no client of librdkafka takes part")
		return
	}
	p := rand.Int32N(partitions)
	cmd := exec.Command(path, "-P", "-b", strings.Join(r.cluster.Bootstrap(), ","), "-t", topic,
		"-p", strconv.Itoa(int(p)), "-vvv", "-X", "enable.idempotence=true", "-X", "linger.ms=0",
		"-X", "message.timeout.ms=0", "-X", "topic.metadata.refresh.interval.ms=5000",
		"-X", "reconnect.backoff.max.ms=500", "-X", "retry.backoff.max.ms=250")
	in, err := cmd.StdinPipe()
	r.try("kcat", err)
	said, err := cmd.StderrPipe()
	r.try("kcat", err)
	if err := cmd.Start(); err != nil {
		r.failf("kcat: %v", err)
		return
	}
	id := r.rec.client()
	r.workers.Go(func() {
		lines := bufio.NewScanner(said)
		for seq := uint32(1); r.slowRate.wait(stop); seq++ {
			if err := r.deliver(in, lines, id, p, seq); err != nil {
				r.failf("kcat, partition %d: %v", p, err)
				break
			}
		}
		_ = in.Close() // it ends for want of input
		_, _ = io.Copy(io.Discard, said)
		if err := cmd.Wait(); err != nil {
			r.failf("kcat: %v", err)
		}
	})
	r.t.Cleanup(func() { _ = cmd.Process.Kill() })
}

var deliveredLine = regexp.MustCompile(`Message delivered to partition (\d+) \(offset (\d+)\)`)

// deliver writes one record and waits until kcat tells of its delivery.
func (r *run) deliver(in io.Writer, lines *bufio.Scanner, id, p int32, seq uint32) error {
	value := check.ValueOf(id, seq)
	op := check.Op{Kind: check.Produce, Outcome: check.Unknown, Client: id, Call: r.rec.now(), Idempotent: true,
		Values: []check.Value{value}, Partition: check.Partition{Topic: topic, Index: p}}
	defer func() { r.rec.done(op) }()
	if _, err := in.Write(append(encode(value), '\n')); err != nil {
		return err
	}
	var last string
	for lines.Scan() {
		last = lines.Text()
		if strings.Contains(last, "Delivery failed") {
			return fmt.Errorf("the application was told: %s", last)
		}
		if m := deliveredLine.FindStringSubmatch(last); m != nil {
			at, err := strconv.ParseInt(m[2], 10, 64)
			if err != nil {
				return err
			}
			op.Outcome, op.Offset = check.OK, at
			return nil
		}
	}
	return fmt.Errorf("it has ended: %s (%v)", last, lines.Err())
}
