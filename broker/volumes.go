package broker

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// Where WALs lie. Alone, a broker has one volume, which is the machine's. In a cluster each WAL has a volume of its
// own, which a provider of volumes brings to the machine that needs it: `dir`, where every broker reaches every volume,
// or one that gives a volume to one machine at a time (host.Volumes).

// walVolume is the volume of a broker that is alone.
const walVolume = "wal"

// walVolumeName is the volume that a WAL lies on.
func (b *Broker) walVolumeName(w metadata.WAL) string {
	if b.cfg.Cluster == nil {
		return walVolume
	}
	return host.SharedVolumes + w.Volume.String()
}

// volumeUse is what a provider of volumes is told.
func (b *Broker) volumeUse(w metadata.WAL) host.VolumeUse {
	return host.VolumeUse{
		Name: b.walVolumeName(w), Volume: w.Volume.String(), Cluster: b.cluster.String(),
		Broker: b.cfg.NodeID, Epoch: b.epoch, Generation: w.Generation,
	}
}

// ownVolume brings the volume of a WAL here that this broker writes, and makes it first if the WAL is new. What only
// needs time, it waits for. A recoverer that was fenced may have the volume still: then it is taken from there.
func (b *Broker) ownVolume(sc *host.Scope, w metadata.WAL) (host.Volume, error) {
	for pause := patienceMin; ; pause = min(2*pause, patienceMax) {
		vol, err := b.bring(sc, w)
		if err == nil || !errors.Is(err, host.ErrTimeout) || sc.Err() != nil {
			return vol, err
		}
		probe.Hit(probe.BrokerVolumeWaits)
		if b.home == nil && w.State != metadatapb.WalState_WAL_STATE_FRESH {
			err = errors.Join(err, b.cfg.Volumes.Detach(sc, b.volumeUse(w)))
		}
		b.h.Log().Warn("waiting for the volume of the WAL", "wal", w.ID.String(), "volume", w.Volume.String(), "error", err)
		if e := b.h.Sleep(sc, pause); e != nil {
			return nil, err
		}
	}
}

func (b *Broker) bring(sc *host.Scope, w metadata.WAL) (host.Volume, error) {
	if w.State == metadatapb.WalState_WAL_STATE_FRESH && b.home == nil {
		if err := b.cfg.Volumes.Create(sc, b.volumeUse(w), int64(w.Capacity)); err != nil {
			return nil, fmt.Errorf("create volume %s: %w", w.Volume, err)
		}
	}
	return b.volumeOf(sc, w)
}

// deadVolume takes the volume of a WAL that is recovered from whoever had it and brings it here (rule 7). The detach is
// confirmed before the attach begins, so that what is read and replayed here has no writer any more (A27).
func (b *Broker) deadVolume(sc *host.Scope, w metadata.WAL) (host.Volume, error) {
	if err := b.cfg.Volumes.Detach(sc, b.volumeUse(w)); err != nil {
		probe.Hit(probe.BrokerVolumeUnconfirmed)
		return nil, fmt.Errorf("detach volume %s from where it was: %w", w.Volume, err)
	}
	return b.volumeOf(sc, w)
}

// volumeOf attaches the volume that a WAL lies on.
func (b *Broker) volumeOf(sc *host.Scope, w metadata.WAL) (host.Volume, error) {
	if b.home != nil {
		return b.home, nil
	}
	if err := b.cfg.Volumes.Attach(sc, b.volumeUse(w)); err != nil {
		return nil, fmt.Errorf("attach volume %s: %w", w.Volume, err)
	}
	return b.attach(sc, b.walVolumeName(w))
}

func (b *Broker) attach(sc *host.Scope, name string) (host.Volume, error) {
	vol, err := b.h.Disk().Volume(sc, name)
	if err != nil {
		return nil, fmt.Errorf("attach the WAL volume: %w", err)
	}
	return vol, nil
}

// removeWAL removes a WAL that is released, or was never opened, for good (rule 9: it names a uuid, and nobody writes
// that one any more, so that it may be late or repeated). It reports whether there was something to remove.
func (b *Broker) removeWAL(sc *host.Scope, w metadata.WAL) (found bool, err error) {
	if b.home != nil {
		return true, removeRing(b.home, walFile(w.ID))
	}
	for tries, pause := 1, recoverRetryMin; ; tries, pause = tries+1, min(2*pause, recoverRetryMax) {
		now, err := b.cfg.Volumes.Delete(sc, b.volumeUse(w))
		found = found || now
		if !errors.Is(err, host.ErrTimeout) || tries == deleteTries || b.h.Sleep(sc, pause) != nil {
			return found, err
		}
	}
}

// deleteTries is how often the provider is asked to delete a volume before that is left to the next start.
const deleteTries = 5

// removeRing removes a ring and its fence word for good.
func removeRing(vol host.Volume, name string) error {
	for _, file := range []string{name, name + ".fence"} {
		if err := vol.Remove(file); err != nil && !errors.Is(err, host.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", file, err)
		}
	}
	if err := vol.SyncDir(""); err != nil { // nobody looks for the file of a WAL that is gone
		return fmt.Errorf("sync the removal of %s: %w", name, err)
	}
	return nil
}

// dirVolumes is the provider `dir`: every broker reaches every volume all the time. Nothing is taken from anybody; the
// fence of such a volume is its fence word alone (rule 6).
type dirVolumes struct{ h host.Host }

var _ host.Volumes = dirVolumes{}

func (dirVolumes) Create(*host.Scope, host.VolumeUse, int64) error { return nil }
func (dirVolumes) Attach(*host.Scope, host.VolumeUse) error        { return nil }
func (dirVolumes) Detach(*host.Scope, host.VolumeUse) error        { return nil }

// Delete empties the volume. Its name stays: it holds nothing, and no WAL gets a volume again that one had.
func (d dirVolumes) Delete(sc *host.Scope, v host.VolumeUse) (found bool, err error) {
	vol, err := d.h.Disk().Volume(sc, v.Name)
	if err != nil {
		return false, fmt.Errorf("attach volume %s: %w", v.Volume, err)
	}
	list, err := vol.List("")
	if err != nil || len(list) == 0 {
		return false, err
	}
	for _, entry := range list {
		if err := vol.Remove(entry.Name); err != nil && !errors.Is(err, host.ErrNotExist) {
			return true, fmt.Errorf("remove %s from volume %s: %w", entry.Name, v.Volume, err)
		}
	}
	if err := vol.SyncDir(""); err != nil {
		return true, fmt.Errorf("sync the removal of volume %s: %w", v.Volume, err)
	}
	return true, nil
}
