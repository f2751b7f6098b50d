package check

// Kind says what an operation asked for.
type Kind string

// The operations of a client. The words stand in history files; never change them.
const (
	Produce        Kind = "produce"
	Fetch          Kind = "fetch"
	ListEnd        Kind = "list-end"       // ListOffsets(latest): the high watermark
	DeleteRecords  Kind = "delete-records" // up to an offset
	Commit         Kind = "commit"
	FetchCommitted Kind = "fetch-committed"

	Assign Kind = "assign"     // a consumer takes partitions up by itself; begins its Session
	Join   Kind = "join-group" // an answered JoinGroup with its Generation
	Sync   Kind = "sync-group" // an answered SyncGroup: the Generation is established

	InitProducer  Kind = "init-producer"
	CreateTopic   Kind = "create-topic"
	DeleteTopic   Kind = "delete-topic"
	DescribeTopic Kind = "describe-topic" // its Partitions, 0 if there is no such topic
	// CreatePartitions asks that a topic have so many Partitions; there must be fewer before.
	CreatePartitions Kind = "create-partitions"
	WriteKey         Kind = "write-key" // of metadata: Topic is the key, Offset its value
	ReadKey          Kind = "read-key"
	TxnEnd           Kind = "txn-end" // commits the transaction, or aborts it
)

// nature is what a kind of operation is judged by.
type nature int

const (
	unknownNature nature = iota
	ofLog                // it needs the partition's final log
	ofGroup              // it needs a group
	ofTopic              // it needs a topic
	ofNothing
)

func (k Kind) nature() nature {
	switch k {
	case Produce, Fetch, ListEnd, DeleteRecords:
		return ofLog
	case Commit, FetchCommitted, Join, Sync:
		return ofGroup
	case CreateTopic, DeleteTopic, DescribeTopic, CreatePartitions, WriteKey, ReadKey:
		return ofTopic
	case Assign, InitProducer, TxnEnd:
		return ofNothing
	}
	return unknownNature
}

// Outcome says what the client knows of an operation's effect.
type Outcome string

// The outcomes. The words stand in history files; never change them.
const (
	OK      Outcome = "ok"      // the answer said so
	Failed  Outcome = "failed"  // definite: it had and will have no effect
	Unknown Outcome = "unknown" // no answer, or one that leaves it open
)
