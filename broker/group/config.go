package group

import "time"

// Config holds the settings of a coordinator; Kafka's names in the comments.
type Config struct {
	InitialDelay   time.Duration // group.initial.rebalance.delay.ms: an empty group waits for more members
	SessionMin     time.Duration // group.min.session.timeout.ms
	SessionMax     time.Duration // group.max.session.timeout.ms
	NewMemberJoin  time.Duration // how long a new member's first join may be parked
	Retention      time.Duration // offsets.retention.minutes, counted from when the group is empty
	MaxMembers     int           // group.max.size
	MaxGroups      int           // of one coordinator partition; more get NotAvailable
	MaxMetadata    int           // offset.metadata.max.bytes
	MaxRecordBytes int           // largest record; must fit an append to the log
}

// DefaultConfig is Kafka's, with bounds where Kafka has none.
func DefaultConfig() Config {
	return Config{
		InitialDelay:   3 * time.Second,
		SessionMin:     6 * time.Second,
		SessionMax:     30 * time.Minute,
		NewMemberJoin:  5 * time.Minute,
		Retention:      7 * 24 * time.Hour,
		MaxMembers:     2000,
		MaxGroups:      100_000,
		MaxMetadata:    4096,
		MaxRecordBytes: 4 << 20,
	}
}
