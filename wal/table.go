package wal

// headerSeen is what the scan saw at the place where the next header must be.
type headerSeen uint8

const (
	headerNext    headerSeen = iota // right CRC, and it is next: WAL, position, chain, epoch (rule 12)
	headerFlipped                   // one changed byte away from a header that is next
	headerOther                     // blank, an earlier lap's bytes, or a header that is not next
	headerRemains                   // neither blank nor a header, where no lap wrote before
	headerUnread                    // its block cannot be read
	headersSeen
)

// bodySeen is what the scan saw of the frame that a header announces.
type bodySeen uint8

const (
	bodyWhole   bodySeen = iota // trailer and all blocks match their checksums
	bodyFlipped                 // one block or the trailer is one changed byte away from matching
	bodyMissing                 // what does not match may be a write that did not happen
	bodyStrange                 // contradicts its table and does not look like a missing write
	bodyUnread                  // a block of it cannot be read
	bodyUnknown                 // there is no header to say what the body is
	bodiesSeen
)

// verdict is what becomes of it.
type verdict uint8

const (
	verdictNone   verdict = iota // cannot be seen
	verdictAccept                // the frame is part of the log
	verdictEnd                   // the log ends here
	verdictTorn                  // a crash left the tail half written: dropped and counted, the log ends here
	verdictDamage                // it was written and is spoilt: named, kept, and the scan resumes behind it
)

// evidence is whether anything says that the log was once durable beyond this position (rule 16).
type evidence uint8

const (
	evidenceNone evidence = iota
	evidenceDurable
	evidences
)

// decisions is the recovery decision table. No other code decides what becomes of a frame; the test
// walks every cell.
var decisions = [headersSeen][bodiesSeen][evidences]verdict{
	headerNext: {
		bodyWhole:   {evidenceNone: verdictAccept, evidenceDurable: verdictAccept},
		bodyFlipped: {evidenceNone: verdictDamage, evidenceDurable: verdictDamage},
		bodyMissing: {evidenceNone: verdictTorn, evidenceDurable: verdictDamage},
		bodyStrange: {evidenceNone: verdictDamage, evidenceDurable: verdictDamage},
		bodyUnread:  {evidenceNone: verdictDamage, evidenceDurable: verdictDamage},
	},
	headerFlipped: { // a sector that was torn within the header lacks what follows, too
		bodyWhole:   {evidenceNone: verdictDamage, evidenceDurable: verdictDamage},
		bodyFlipped: {evidenceNone: verdictDamage, evidenceDurable: verdictDamage},
		bodyMissing: {evidenceNone: verdictTorn, evidenceDurable: verdictDamage},
		bodyStrange: {evidenceNone: verdictDamage, evidenceDurable: verdictDamage},
		bodyUnread:  {evidenceNone: verdictDamage, evidenceDurable: verdictDamage},
	},
	headerOther: {
		bodyUnknown: {evidenceNone: verdictEnd, evidenceDurable: verdictDamage},
	},
	headerRemains: {
		bodyUnknown: {evidenceNone: verdictTorn, evidenceDurable: verdictDamage},
	},
	headerUnread: { // it may have been the last that was acknowledged
		bodyUnknown: {evidenceNone: verdictDamage, evidenceDurable: verdictDamage},
	},
}

var headerText = [headersSeen]string{
	headerNext:    "header is right",
	headerFlipped: "one byte of the header changed",
	headerOther:   "no frame here",
	headerRemains: "remains of a frame without its header",
	headerUnread:  "what should be a header cannot be read",
}

var bodyText = [bodiesSeen]string{
	bodyWhole:   "body is right",
	bodyFlipped: "one byte of the body changed",
	bodyMissing: "part of the body is missing",
	bodyStrange: "body contradicts its checksums",
	bodyUnread:  "part of the body cannot be read",
	bodyUnknown: "body is not known",
}

// reason says in words why a verdict fell.
func reason(h headerSeen, b bodySeen, e evidence) string {
	s := headerText[h]
	if b != bodyUnknown && b != bodyWhole {
		s += ", " + bodyText[b]
	}
	if e == evidenceDurable {
		s += ", and it is known to have been durable"
	}
	return s
}
