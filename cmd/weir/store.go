package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/filestore"
	"github.com/weirmq/weir/objectstore/s3store"
)

// node turns the settings into a node's configuration, but for the store.
func (c *serverConfig) node() (node.Config, error) {
	cfg := node.Default(int64(c.Memory))
	cfg.Listen, cfg.AutoCreate = c.Listen, c.Auto
	cfg.WALCapacity, cfg.UploadAge = int64(c.WALSize)/4096*4096, c.UploadAge
	cfg.UploadBytes = min(cfg.UploadBytes, cfg.WALCapacity/8)
	c.clusterSettings.cluster(&cfg)
	cfg.StoreLabel, cfg.DataLabel = filepath.Join(c.Data, "store"), c.Data
	if c.Advertise != c.Listen {
		host, port, err := net.SplitHostPort(c.Advertise)
		if err != nil {
			return cfg, fmt.Errorf("--advertise %q: %w", c.Advertise, err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return cfg, fmt.Errorf("--advertise %q: %w", c.Advertise, err)
		}
		cfg.AdvertiseHost, cfg.AdvertisePort = host, int32(n)
	}
	return cfg, nil
}

// openStore opens the object store that --objstore-config names and checks that it can carry weir; nil
// means the embedded one.
func (c *serverConfig) openStore(h host.Host) (objectstore.Store, error) {
	if c.ObjStore == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(c.ObjStore)
	if err != nil {
		return nil, fmt.Errorf("read the object store config: %w", err)
	}
	var cfg objectstore.Config
	if err := yaml.NewDecoder(bytes.NewReader(raw)).Decode(&cfg); err != nil {
		return nil, fmt.Errorf("read the object store config %s: %w", c.ObjStore, err)
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.ObjStore, err)
	}
	return onHost(h, func(sc *host.Scope) (objectstore.Store, error) { return buildStore(sc, h, &cfg) })
}

func buildStore(sc *host.Scope, h host.Host, cfg *objectstore.Config) (objectstore.Store, error) {
	var store objectstore.Store
	switch cfg.Type {
	case objectstore.TypeS3:
		s3, err := s3store.New(cfg.S3)
		if err != nil {
			return nil, err
		}
		store = s3
	default:
		dir := cfg.Filesystem.Directory
		disk, err := oshost.New(oshost.Config{Data: filepath.Dir(dir), Node: "weir"})
		if err != nil {
			return nil, err
		}
		vol, err := disk.Disk().Volume(sc, filepath.Base(dir))
		if err != nil {
			return nil, fmt.Errorf("open the object store %s: %w", dir, err)
		}
		if store, err = filestore.New(h, vol, "objects", dir); err != nil {
			return nil, fmt.Errorf("open the object store %s: %w", dir, err)
		}
	}
	if cfg.Prefix != "" {
		var err error
		if store, err = objectstore.WithPrefix(store, cfg.Prefix); err != nil {
			return nil, err
		}
	}
	return store, probeAloud(sc, h, store, time.Second)
}

// probeAloud checks that the store can carry weir, and says so when that takes longer than a moment: a store that
// accepts connections and does not answer is given up after ten seconds.
func probeAloud(sc *host.Scope, h host.Host, store objectstore.Store, after time.Duration) error {
	late := time.AfterFunc(after, func() { h.Log().Info("checking the object store", "store", store.Name()) })
	defer late.Stop()
	return objectstore.Probe(sc, h, store)
}
