package workload

import (
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/sim"
)

// Ledger is every batch of the judged topic that was acknowledged. Each audit holds it against what fsck finds.
type Ledger struct {
	fail  func(oracle, format string, args ...any)
	acked []ackedBatch
	cache fsck.Cache
	logs  map[int32]*auditLog // by partition of the judged topic
	seen  map[fsck.Place]bool // batches of objects that were read
	n     int32
}

type ackedBatch struct {
	partition int32
	offset    int64
	values    []check.Value
}

// auditLog is what was found of a partition: the value at each offset, and in which audit it was last there.
type auditLog struct {
	values []check.Value
	last   []int32
}

// NewLedger returns a ledger that calls fail with what an audit finds.
func NewLedger(fail func(oracle, format string, args ...any)) *Ledger {
	l := &Ledger{}
	l.init(fail)
	return l
}

func (l *Ledger) init(fail func(oracle, format string, args ...any)) {
	l.fail, l.logs, l.seen = fail, map[int32]*auditLog{}, map[fsck.Place]bool{}
}

// DurableImage is what of a volume a power loss would leave now.
func DurableImage(v *sim.Volume) fsck.Image { return diskImage{v} }

// BucketImage is the store as it is now.
func BucketImage(w *sim.World) fsck.Bucket { return bucketImage{w} }

// Acked notes a batch that a client heard is in the log.
func (l *Ledger) Acked(op *check.Op) {
	if op.Topic == topicName {
		l.acked = append(l.acked, ackedBatch{op.Index, op.Offset, op.Values})
	}
}

// Audits is how many audits there were.
func (l *Ledger) Audits() int { return int(l.n) }

// Audit holds the ledger against what look finds, which is to check with these options at least.
func (l *Ledger) Audit(when string, look func(fsck.Options) *fsck.Report) {
	l.begin()
	l.judge(look(fsck.Options{Batch: l.batch, Cache: &l.cache}), when)
}

func (l *Ledger) begin() { l.n++ }

// judge wants no finding, and every acknowledged value at its offset.
func (l *Ledger) judge(report *fsck.Report, when string) {
	if !report.OK() {
		l.fail("fsck:"+string(report.Findings[0].Kind), "audit %d, %s: %w", l.n, when, report.Err())
		return
	}
	for _, b := range l.acked {
		log := l.logs[b.partition]
		for i, v := range b.values {
			at := b.offset + int64(i)
			switch {
			case log == nil || at >= int64(len(log.last)) || log.last[at] != l.n:
				l.fail(oracleAudit, "audit %d, %s: %s of %s/%d was acknowledged at offset %d, which is in no object and no WAL: "+
					"%+v, %v", l.n, when, v, topicName, b.partition, at, report.Stream(topicName, b.partition), report.Notes)
				return
			case log.values[at] != v:
				l.fail(oracleAudit, "audit %d, %s: %s of %s/%d was acknowledged at offset %d, where %s is", l.n, when, v,
					topicName, b.partition, at, log.values[at])
				return
			}
		}
	}
}

// batch takes one batch that an audit found. What is in objects never changes and is read once.
func (l *Ledger) batch(b fsck.Batch) {
	if b.Topic != topicName {
		return
	}
	log := l.logs[b.Partition]
	if log == nil {
		log = &auditLog{}
		l.logs[b.Partition] = log
	}
	end := b.Base + int64(b.Count)
	for int64(len(log.last)) < end {
		log.values, log.last = append(log.values, 0), append(log.last, 0)
	}
	for at := b.Base; at < end; at++ {
		log.last[at] = l.n
	}
	if b.Place.Key != "" {
		if l.seen[b.Place] && log.values[b.Base] != 0 {
			return
		}
		l.seen[b.Place] = true
	}
	records, _, err := parseRecords(b.Data, b.Base)
	if err != nil {
		l.fail(oracleAudit, "audit %d: a batch of %s/%d at offset %d, %s: %w", l.n, b.Topic, b.Partition, b.Base,
			b.Place, err)
		return
	}
	for _, rec := range records {
		if rec.Offset < end {
			log.values[rec.Offset] = rec.Value
		}
	}
}
