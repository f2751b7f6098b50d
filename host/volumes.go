package host

// Volumes brings the volumes that outlive their machines to this one (PROTOCOL rules 7 to 9). What is attached is
// opened by Disk.Volume. Every call may be repeated, by this machine or by another, and may take minutes. An error that
// wraps ErrTimeout says that the outcome is not known or not confirmed yet: the call is worth repeating.
type Volumes interface {
	// Create makes the volume, empty and with room for size bytes, unless it is there.
	Create(sc *Scope, v VolumeUse, size int64) error
	// Attach brings the volume here. When it returns nil Disk.Volume opens it. While another machine has it that is
	// ErrTimeout: nothing is taken from anybody but by Detach. A call that failed may still take effect, even after
	// later calls: who attaches looks at metadata afterwards, and repeats what has been undone.
	Attach(sc *Scope, v VolumeUse) error
	// Detach takes the volume from whoever has it. When it returns nil nothing that a machine wrote to the volume
	// before will change it any more; nothing less is a confirmation.
	Detach(sc *Scope, v VolumeUse) error
	// Delete removes the volume and what is on it for good, wherever it is. It reports whether it knows that there
	// was something to remove.
	Delete(sc *Scope, v VolumeUse) (found bool, err error)
}

// VolumeUse says which volume it is, and who asks for it.
type VolumeUse struct {
	Name       string // that Disk.Volume opens it by: SharedVolumes and Volume
	Volume     string // its uuid, in lower case
	Cluster    string // the cluster's uuid
	Broker     int32  // that asks, which is its node's number
	Epoch      int64  // of that broker
	Generation int64  // of the WAL on it, at which the broker holds it
}

// SharedVolumes is what the names of volumes begin with that outlive their machines.
const SharedVolumes = "cluster/"
