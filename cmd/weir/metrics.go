package main

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/node"
)

// nodeCollector turns the node's plain counters into metrics when they are asked for.
type nodeCollector struct{ current func() *node.Node }

// metric is one exported number.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("weir_"+name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("weir_"+name, help, labels, nil), prometheus.GaugeValue}
}

var (
	metricConnections   = gauge("kafka_connections", "Open client connections.")
	metricBadRequests   = counter("kafka_bad_requests_total", "Connections closed for what they sent.")
	metricRequests      = counter("kafka_requests_total", "Requests answered, by key.", "key")
	metricRequestTime   = counter("kafka_request_seconds_total", "Time from read to answered, by key.", "key")
	metricProduced      = counter("produce_batches_total", "Record batches appended.")
	metricProducedBytes = counter("produce_bytes_total", "Record bytes appended.")
	metricDuplicates    = counter("produce_duplicates_total", "Record batches answered as duplicates.")
	metricFetched       = counter("fetch_bytes_total", "Record bytes given to fetches.")
	metricFrames        = counter("wal_frames_total", "Frames committed to the WAL.")
	metricSyncs         = counter("wal_syncs_total", "Syncs of the WAL, superblocks included.")
	metricWALBytes      = counter("wal_bytes_total", "Bytes committed to the WAL, frame overhead included.")
	metricWALWaits      = counter("wal_waits_total", "Appends that waited for room.")
	metricWALUsed       = gauge("wal_used_bytes", "Bytes of the ring that are not free for reuse.")
	metricWALCapacity   = gauge("wal_capacity_bytes", "Size of the ring.")
	metricStoreCalls    = counter("store_calls_total", "Object store calls, by operation.", "op")
	metricStoreErrors   = counter("store_errors_total", "Object store calls that failed, by operation.", "op")
	metricStoreBytes    = counter("store_bytes_total", "Object bytes moved, by operation.", "op")
	metricStoreTime     = counter("store_seconds_total", "Time spent in object store calls, by operation.", "op")
	metricApplied       = gauge("metadata_applied_index", "Index up to which the node has followed the metadata.")
	metricLeads         = gauge("controller_leads", "1 while the node's controller leads.")
	metricTerm          = gauge("controller_term", "Raft term that the node's controller is in.")
	metricLease         = gauge("lease_left_seconds", "What is left of the broker's lease; 0 if it holds none.")
	metricInvariants    = counter("invariant_checks_total", "Evaluations of each named invariant.", "name")
)

// Describe implements prometheus.Collector; the collector is unchecked.
func (c *nodeCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *nodeCollector) Collect(out chan<- prometheus.Metric) {
	emit := func(m metric, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
	}
	for _, count := range invariant.Counts() {
		emit(metricInvariants, float64(count.Count), count.Name.String())
	}
	n := c.current()
	if n == nil {
		return
	}
	c.collectCluster(n, emit)
	if n.Broker() == nil {
		return
	}
	b := n.Broker().Counters()
	emit(metricConnections, float64(b.Connections.Load()))
	emit(metricBadRequests, float64(b.BadRequests.Load()))
	emit(metricProduced, float64(b.ProduceBatch.Load()))
	emit(metricProducedBytes, float64(b.ProduceBytes.Load()))
	emit(metricDuplicates, float64(b.Duplicates.Load()))
	emit(metricFetched, float64(b.FetchBytes.Load()))
	for key := range b.Requests {
		if v := b.Requests[key].Load(); v > 0 {
			name := kmsg.NameForKey(int16(key))
			if name == "Unknown" {
				name = strconv.Itoa(key)
			}
			emit(metricRequests, float64(v), name)
			emit(metricRequestTime, float64(b.RequestNanos[key].Load())/1e9, name)
		}
	}
	c.collectStorage(n, emit)
}

// collectCluster tells what the node is in its cluster; a server by itself leads it.
func (c *nodeCollector) collectCluster(n *node.Node, emit func(metric, float64, ...string)) {
	n.Metadata().Read(func(s *metadata.State) {
		index, _ := s.Index()
		emit(metricApplied, float64(index))
	})
	if k := n.Controller(); k != nil {
		leads, term := k.Leads()
		emit(metricTerm, float64(term))
		emit(metricLeads, map[bool]float64{true: 1}[leads])
	}
	if left, has := n.LeaseLeft(); has {
		emit(metricLease, left.Seconds())
	}
}

func (c *nodeCollector) collectStorage(n *node.Node, emit func(metric, float64, ...string)) {
	w := n.Broker().Log().Stats()
	emit(metricFrames, float64(w.Frames))
	emit(metricSyncs, float64(w.Syncs))
	emit(metricWALBytes, float64(w.Bytes))
	emit(metricWALWaits, float64(w.Waits))
	emit(metricWALUsed, float64(w.Used))
	emit(metricWALCapacity, float64(w.Capacity))
	for _, t := range n.Store().Totals() {
		op := t.Op.String()
		emit(metricStoreCalls, float64(t.Calls), op)
		emit(metricStoreErrors, float64(t.Errors), op)
		emit(metricStoreBytes, float64(t.Bytes), op)
		emit(metricStoreTime, t.Busy.Seconds(), op)
	}
}
