package partition

import "errors"

// Why something was refused. Errors wrap exactly one of these; the broker maps them to Kafka's codes.
var (
	// ErrOutOfOrderSequence: the batch does not follow the producer's last one.
	ErrOutOfOrderSequence = errors.New("producer sequence is out of order")
	// ErrProducerEpoch: a newer incarnation of the producer has written.
	ErrProducerEpoch = errors.New("producer epoch is fenced by a newer one")
	// ErrTransaction: a transactional batch outside a transaction that this log knows.
	ErrTransaction = errors.New("batch belongs to no open transaction")
	// ErrClosed: an append failed earlier; the partition must be opened again from its log.
	ErrClosed = errors.New("partition is closed after a failed append")
	// ErrFencedLeaderEpoch: the client's leader epoch is older than ours.
	ErrFencedLeaderEpoch = errors.New("leader epoch is older than the partition's")
	// ErrUnknownLeaderEpoch: the client knows a newer leader epoch than we do.
	ErrUnknownLeaderEpoch = errors.New("leader epoch is newer than the partition's")
	// ErrOffsetOutOfRange: the offset is below the log start offset or above the high watermark.
	ErrOffsetOutOfRange = errors.New("offset is out of range")
	// ErrOrder: a batch to replay lies below the state's end, or falls back to an older epoch.
	ErrOrder = errors.New("batch does not follow the state")
	// ErrStateVersion: the state was written by a newer version of weir.
	ErrStateVersion = errors.New("partition state has an unknown version")
	// ErrStateDamaged: the bytes are no partition state.
	ErrStateDamaged = errors.New("partition state is damaged")
	// ErrStateAt: the state does not end where the range to open starts.
	ErrStateAt = errors.New("partition state is of another offset")
)
