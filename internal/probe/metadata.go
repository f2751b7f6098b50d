package probe

// Points of package metadata.
var (
	MetadataStaleTerm     = define("metadata.a command of an older term was refused")
	MetadataAlready       = define("metadata.an entry was committed already")
	MetadataGone          = define("metadata.an entry's stream or records are gone")
	MetadataRefused       = define("metadata.an entry of a commit was refused")
	MetadataKnownKey      = define("metadata.a commit was asked again and got its stored answer")
	MetadataSpentKey      = define("metadata.a commit was judged again and accepted nothing")
	MetadataLowSequence   = define("metadata.a commit below the low sequence was refused")
	MetadataRaised        = define("metadata.a broker gave a key up")
	MetadataCommitTrimmed = define("metadata.a commit brought nothing but what was trimmed")
	MetadataHole          = define("metadata.a hole was recorded")
	MetadataHoleSealed    = define("metadata.a hole stood in the way of a range")
	MetadataDeletedSealed = define("metadata.a seal met a deleted stream")
	MetadataDeleting      = define("metadata.a topic being deleted was asked for more")
	MetadataFenced        = define("metadata.a fenced broker's command was refused")
	MetadataTopicExists   = define("metadata.a topic was created twice")
)
