package mutant

// ID names a planted bug.
type ID string

// The planted bugs.
const (
	AckBeforeSync          ID = "ack-before-sync"
	SyncErrorIgnored       ID = "sync-error-ignored"
	TrimBeforeCommit       ID = "trim-before-commit"
	TrimFromTwoViews       ID = "trim-from-two-views"
	EpochBeforeDurable     ID = "epoch-before-durable"
	SealInFlight           ID = "seal-in-flight"
	SealNotFinal           ID = "seal-not-final"
	ProducersStay          ID = "producers-stay"
	StateBeforeEnd         ID = "state-before-end"
	OwedSkipped            ID = "owed-skipped"
	OpenBeforeReplay       ID = "open-before-replay"
	RecoveryStopsEarly     ID = "recovery-stops-early"
	RecoveryAcceptsTorn    ID = "recovery-accepts-torn"
	RecoveryNextOffset     ID = "recovery-next-offset"
	CleanMarkKept          ID = "clean-mark-kept"
	PutTimeoutIsFailure    ID = "put-timeout-is-failure"
	OwnRetryIsFenced       ID = "own-retry-is-fenced"
	DeleteBeforeCommit     ID = "delete-before-commit"
	CommitOutOfOrder       ID = "commit-out-of-order"
	DedupLostAtRestart     ID = "dedup-lost-at-restart"
	DedupEvictsEarly       ID = "dedup-evicts-early"
	FetchPastHighWatermark ID = "fetch-past-high-watermark"
	StaleGeneration        ID = "stale-generation"
	CheckThenAct           ID = "check-then-act"
	StoreErrorFatal        ID = "store-error-fatal"
	RetryWithoutBackoff    ID = "retry-without-backoff"
	CacheKeyCollision      ID = "cache-key-collision"
	ReadSkipsCRC           ID = "read-skips-crc"
	MapRange               ID = "map-range"
	VacuousChecker         ID = "vacuous-checker"
	FenceSkipped           ID = "fence-skipped"
	BirthOutOfOrder        ID = "birth-out-of-order"
	FrameUnchecked         ID = "frame-unchecked"
	ChainIgnored           ID = "chain-ignored"
	AckOutOfOrder          ID = "ack-out-of-order"
	ReuseOnOneSlot         ID = "reuse-on-one-slot"
	WriteAfterError        ID = "write-after-error"
	EvidenceIgnored        ID = "evidence-ignored"
	DamageIsTear           ID = "damage-is-tear"
	UseBeforeSync          ID = "use-before-sync"
	DuplicateEarly         ID = "duplicate-early"
	FailedAppendStaysOpen  ID = "failed-append-stays-open"
	EntryDecidesAnother    ID = "entry-decides-another"
	UploadUndurable        ID = "upload-undurable"
	TrimPastUndischarged   ID = "trim-past-undischarged"
	UnreadStateIsEmpty     ID = "unread-state-is-empty"
	OffsetsOutliveTopic    ID = "offsets-outlive-topic"
	LeaseSkipped           ID = "lease-skipped"
	ParkedUnfenced         ID = "parked-unfenced"
	RecovererWrites        ID = "recoverer-writes"
	ScanBeforeFence        ID = "scan-before-fence"
	RecoveryStale          ID = "recovery-stale"
	SealsOnlyFound         ID = "seals-only-found"
	ReleaseWrongWAL        ID = "release-wrong-wal"
	EndBelowCommitted      ID = "end-below-committed"
)

// Bug is one planted bug.
type Bug struct {
	ID      ID
	Package string // where its switch is
	Rule    string // what it breaks: a number of the catalogue of planted bugs ("#1") or a rule of the protocol ("rule 6")
	What    string // one sentence
}

// All returns every planted bug, in the order of the report.
func All() []Bug {
	return []Bug{
		{AckBeforeSync, "wal", "#1", "answers are given before the sync"},
		{SyncErrorIgnored, "wal", "#2", "an error of the sync is ignored and what it covered is acknowledged"},
		{TrimBeforeCommit, "stream", "#3", "the WAL is trimmed before the objects are committed"},
		{TrimFromTwoViews, "stream", "#5", "the trim position is computed from two different views of what is owed"},
		{EpochBeforeDurable, "controller", "#7", "a new broker epoch is used before it is durable"},
		{OpenBeforeReplay, "broker", "#8", "a partition opens before its WAL is replayed"},
		{RecoveryStopsEarly, "wal", "#9", "the scan stops before the last whole frame"},
		{RecoveryAcceptsTorn, "wal", "#9", "the scan accepts a torn frame"},
		{RecoveryNextOffset, "stream", "#10", "recovery returns a next offset that is off by one"},
		{CleanMarkKept, "wal", "#11", "the clean mark is believed after frames were written behind it"},
		{PutTimeoutIsFailure, "stream", "#12", "a put without an answer is taken for a failure, its key used again"},
		{OwnRetryIsFenced, "objectstore", "#13", "a conflict with one's own retry is taken for another writer"},
		{DeleteBeforeCommit, "collector", "#14", "an object that is stored and not yet committed is deleted as garbage"},
		{CommitOutOfOrder, "stream", "#15", "after a failed put later records are committed before earlier ones"},
		{DedupLostAtRestart, "broker/partition", "#16", "the producers' sequences are forgotten at a restart"},
		{DedupEvictsEarly, "broker/partition", "#16", "only the last batch of a producer is remembered"},
		{FetchPastHighWatermark, "broker", "#17", "records are served before they are durable"},
		{StaleGeneration, "broker/group", "#19", "an offset commit of a stale generation is accepted"},
		{CheckThenAct, "wal", "#20", "the fence is read before the sync and not after it"},
		{StoreErrorFatal, "objectstore", "#21", "a transient error of the store ends the process"},
		{RetryWithoutBackoff, "objectstore", "#21", "a call that failed is repeated at once, for ever"},
		{CacheKeyCollision, "stream", "#23", "the cache gives out another stream's bytes"},
		{ReadSkipsCRC, "stream", "#24", "checksums are not compared"},
		{MapRange, "broker", "#26", "the order of a map decides"},
		{VacuousChecker, "sim/workload", "#26", "no client ever records an answer"},
		{FenceSkipped, "wal", "rule 6", "the fence word is not read again before an answer"},
		{RecovererWrites, "wal", "rule 8", "who recovers another's WAL goes on in its ring"},
		{ScanBeforeFence, "broker", "rule 7", "another's WAL is scanned before the fence word is written"},
		{SealsOnlyFound, "broker", "A26", "only the ranges with records in another's WAL are closed"},
		{ReleaseWrongWAL, "broker", "rule 9", "the files of this broker's own WAL are removed in place of those released"},
		{EndBelowCommitted, "stream", "rule 32", "a recovered range ends where its log does, although more is committed"},
		{BirthOutOfOrder, "wal", "rule 10", "a WAL is open in metadata before its superblock and its name are synced"},
		{FrameUnchecked, "wal", "rule 11", "a frame is believed without the checksums of its blocks"},
		{ChainIgnored, "wal", "rule 12", "a frame follows another whatever its chain, position and epoch say"},
		{AckOutOfOrder, "wal", "rule 13", "a frame is answered before the one before it"},
		{ReuseOnOneSlot, "wal", "rule 14", "space is reused when one superblock slot frees it"},
		{WriteAfterError, "wal", "rule 15", "the WAL goes on after its first failed write"},
		{EvidenceIgnored, "wal", "rule 16", "a scan that ends below what is known to be durable is taken for whole"},
		{DamageIsTear, "wal", "rule 17", "a damaged frame is dropped as if it had been torn"},
		{UseBeforeSync, "wal", "rule 18", "what a scan read is used before it is synced"},
		{SealInFlight, "stream", "rule 24", "a seal is answered with appends in flight"},
		{SealNotFinal, "stream", "rule 24", "a sealed range takes appends"},
		{ProducersStay, "broker", "rule 26", "a move does not hand the producers' state over, and an empty one is taken"},
		{StateBeforeEnd, "broker", "rule 24", "a move hands over the state from before the appends in flight"},
		{OwedSkipped, "stream", "rule 27", "owed records whose holder cannot be asked are skipped"},
		{DuplicateEarly, "broker", "rule 29", "a duplicate is answered before its original is durable"},
		{FailedAppendStaysOpen, "broker", "rule 30", "a failed append is answered as refused, and its partition goes on"},
		{EntryDecidesAnother, "metadata", "rule 31", "one entry of a deleted stream makes the whole commit gone"},
		{UploadUndurable, "stream", "rule 32", "records are uploaded before they are durable"},
		{TrimPastUndischarged, "stream", "rule 33", "the trim position passes the first frame that still needs the WAL"},
		{UnreadStateIsEmpty, "stream", "rule 26", "a checkpoint that cannot be read is taken for an empty one"},
		{OffsetsOutliveTopic, "broker", "rule 29", "what is committed in a deleted topic is there in the next of its name"},
	}
}
