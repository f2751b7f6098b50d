package probe

// Points of package wal.
var (
	WalTornTailDropped = define("wal.torn tail dropped")
)
