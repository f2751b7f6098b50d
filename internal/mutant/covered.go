package mutant

// Covered returns planted bugs that take away one of two guards. While the other stands no client and no disk can tell,
// so they are not among All; the test of the package they are in that looks at the order itself finds each.
func Covered() []Guarded {
	return []Guarded{
		{Bug{LeaseSkipped, "wal", "rule 6", "an answer leaves without the lease"},
			"TestAnAcknowledgementWaitsForTheLease"},
		{Bug{ParkedUnfenced, "wal", "rule 6", "an answer that waited for the lease does not read the fence word again"},
			"TestAnAcknowledgementThatWaitedReadsTheFenceAgain"},
		{Bug{RecoveryStale, "broker", "rule 7", "metadata is not read again after the fence word"},
			"TestARecoveryGoesByItsOrder"},
	}
}

// Guarded is a planted bug with the test that finds it.
type Guarded struct {
	Bug
	Test string
}
