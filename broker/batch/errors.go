package batch

import "errors"

// What a check can find wrong. Errors wrap exactly one of these; the broker maps them to Kafka's codes.
var (
	// ErrNotOneBatch: the field holds no batch, or more than one.
	ErrNotOneBatch = errors.New("want exactly one record batch")
	// ErrTruncated: the bytes end before the batch does, or its length field is impossible.
	ErrTruncated = errors.New("record batch is cut short")
	// ErrMagic: a message set of format 0 or 1, or a format of the future.
	ErrMagic = errors.New("record batch format is not version 2")
	// ErrTooLarge: the batch with its header is larger than the limit given.
	ErrTooLarge = errors.New("record batch is too large")
	// ErrCRC: the CRC-32C does not match the bytes.
	ErrCRC = errors.New("record batch fails its CRC")
	// ErrCount: record count and last offset delta contradict each other, or there are no records.
	ErrCount = errors.New("record count does not match the offsets")
	// ErrControl: a client sent a control batch.
	ErrControl = errors.New("control batch from a client")
	// ErrTimestampType: a client claims log append time, which only the broker sets.
	ErrTimestampType = errors.New("log append time set by a client")
	// ErrProducer: producer id, epoch and sequence contradict each other.
	ErrProducer = errors.New("producer id, epoch or sequence is invalid")
	// ErrCodec: a codec that does not exist, or that this request version must not use.
	ErrCodec = errors.New("compression codec is not usable here")
	// ErrPayload: the records do not unpack or parse.
	ErrPayload = errors.New("records are malformed")
	// ErrUnpacked: the records unpack to more bytes than the limit given.
	ErrUnpacked = errors.New("records unpack to too many bytes")
)
