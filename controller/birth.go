package controller

import (
	"errors"
	"fmt"
	"io"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/wal"
)

// opened is a log that was read back.
type opened struct {
	lock    io.Closer
	disk    *disklog
	replay  *replay
	cluster metadata.UUID
	volume  metadata.UUID
}

// openLog takes the volume's lock, gives birth to a log if the volume has none, and reads it back. died is
// called when the log dies, by its task.
func openLog(sc *host.Scope, h host.Host, cfg *Config, died func(error)) (o *opened, err error) {
	vol, err := h.Disk().Volume(sc, cfg.Volume)
	if err != nil {
		return nil, fmt.Errorf("controller: attach volume %s: %w", cfg.Volume, err)
	}
	lock, err := vol.Lock(lockName)
	if errors.Is(err, host.ErrLocked) {
		return nil, fmt.Errorf("%w: %s on volume %s is locked: stop that process", ErrInUse, lockName, cfg.Volume)
	}
	if err != nil {
		return nil, fmt.Errorf("controller: lock volume %s: %w", cfg.Volume, err)
	}
	o = &opened{lock: lock}
	if err := o.open(sc, h, cfg, vol, died); err != nil {
		if o.disk != nil {
			_ = o.disk.log.Close(sc) // the first error is what counts
		}
		_ = lock.Close() // the first error is what counts
		return nil, err
	}
	return o, nil
}

func (o *opened) open(sc *host.Scope, h host.Host, cfg *Config, vol host.Volume, died func(error)) error {
	pool, err := wal.NewSlabPool(h, slabs, cfg.SlabBytes)
	if err != nil {
		return fmt.Errorf("controller: take memory for the log: %w", err)
	}
	wcfg := wal.Config{Capacity: cfg.LogBytes, Slabs: pool, Dead: died}
	blank, err := missing(vol)
	if err != nil {
		return fmt.Errorf("controller: look for %s on volume %s: %w", logName, cfg.Volume, err)
	}
	if blank && len(cfg.Join) > 0 && cfg.Cluster.IsZero() {
		return fmt.Errorf("controller: volume %s is blank, and to join a cluster takes its id", cfg.Volume)
	}
	if blank {
		if err := birth(sc, h, vol, wcfg, cfg.Cluster); err != nil {
			return fmt.Errorf("controller: make a log on volume %s: %w", cfg.Volume, err)
		}
	} else if err := vol.SyncDir(""); err != nil { // its name may be in a cache only: of a birth that died there
		return fmt.Errorf("controller: sync the directory of %s on volume %s: %w", logName, cfg.Volume, err)
	}
	log, rec, err := wal.Open(sc, h, vol, logName, wcfg, wal.Expect{Cluster: wal.UUID(cfg.Cluster)})
	switch {
	case errors.Is(err, wal.ErrForeign):
		return fmt.Errorf("%w: volume %s: %w", ErrForeign, cfg.Volume, err)
	case errors.Is(err, wal.ErrVersion):
		return fmt.Errorf("%w: volume %s: %w", ErrNewer, cfg.Volume, err)
	case err != nil:
		return fmt.Errorf("controller: open the log on volume %s: %w", cfg.Volume, err)
	}
	id := log.Identity()
	o.cluster, o.volume = metadata.UUID(id.Cluster), metadata.UUID(id.Volume)
	o.disk = &disklog{
		h: h, log: log, capacity: log.Stats().Capacity, every: cfg.SnapshotBytes, snapAt: log.Trimmed(),
	}
	if o.replay, err = readBack(sc, o.disk, rec); err != nil {
		return fmt.Errorf("controller: read back the log on volume %s: %w", cfg.Volume, err)
	}
	if err := o.replay.letGo(sc); err != nil {
		return fmt.Errorf("controller: trim the log on volume %s: %w", cfg.Volume, err)
	}
	return nil
}

// LogName is the name of a member's log on its volume.
const LogName = logName

// HasLog reports whether a volume has a member's log, whole or damaged. It writes nothing.
func HasLog(vol host.Volume) (bool, error) {
	none, err := missing(vol)
	return !none, err
}

// missing reports whether vol has no log.
func missing(vol host.Volume) (bool, error) {
	list, err := vol.List("")
	if err != nil {
		return false, err
	}
	for _, e := range list {
		if e.Name == logName {
			return false, nil
		}
	}
	return true, nil
}

// birth makes a log under another name and renames it: a log that is there was made completely, so one
// without a superblock is damage and not a beginning.
func birth(sc *host.Scope, h host.Host, vol host.Volume, cfg wal.Config, cluster metadata.UUID) error {
	if err := vol.Remove(birthName); err == nil {
		probe.Hit(probe.ControllerBornAgain)
	} else if !errors.Is(err, host.ErrNotExist) {
		return fmt.Errorf("remove %s, left by a start that did not finish: %w", birthName, err)
	}
	id := wal.Identity{Cluster: wal.UUID(cluster), Generation: 1}
	if cluster.IsZero() {
		h.Secret(id.Cluster[:])
	}
	h.Secret(id.Volume[:])
	h.Secret(id.WAL[:])
	if err := wal.Format(sc, h, vol, birthName, cfg, id); err != nil {
		return err
	}
	if err := vol.Rename(birthName, logName); err != nil {
		return fmt.Errorf("name it %s: %w", logName, err)
	}
	if err := vol.SyncDir(""); err != nil {
		return fmt.Errorf("sync the directory of %s: %w", logName, err)
	}
	return nil
}
