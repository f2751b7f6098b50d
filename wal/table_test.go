package wal

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// The table is checked cell by cell against the rules, written a second time as conditions.
func TestEveryCellOfTheDecisionTableFollowsTheRules(t *testing.T) {
	cells := 0
	for h := range headersSeen {
		for b := range bodiesSeen {
			for e := range evidences {
				cells++
				announced := h == headerNext || h == headerFlipped
				var want verdict
				switch {
				case announced != (b != bodyUnknown):
					want = verdictNone // a body is known exactly if a header announces it
				case h == headerNext && b == bodyWhole:
					want = verdictAccept
				case e == evidenceDurable:
					want = verdictDamage // rule 16: scan end < D
				case h == headerFlipped && b != bodyMissing || b == bodyFlipped || b == bodyStrange ||
					b == bodyUnread || h == headerUnread:
					want = verdictDamage // rule 17
				case h == headerOther:
					want = verdictEnd
				default:
					want = verdictTorn // doubtful: dropped and counted
				}
				name := fmt.Sprintf("%s / %s / evidence %d", headerText[h], bodyText[b], e)
				require.Equal(t, want, decisions[h][b][e], name)
			}
		}
	}
	require.Equal(t, 60, cells)
}

func TestNothingKnownDurableIsDroppedByTheTable(t *testing.T) {
	for h := range headersSeen {
		for b := range bodiesSeen {
			v := decisions[h][b][evidenceDurable]
			require.NotEqual(t, verdictTorn, v, "%d %d", h, b)
			require.NotEqual(t, verdictEnd, v, "%d %d", h, b)
		}
	}
}

func TestEveryVerdictHasWords(t *testing.T) {
	for h := range headersSeen {
		for b := range bodiesSeen {
			require.NotEmpty(t, reason(h, b, evidenceDurable))
		}
	}
	require.Equal(t, "header is right, part of the body is missing", reason(headerNext, bodyMissing, evidenceNone))
}
