package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
)

// identityFormat is the version of the identity file that this program writes.
const identityFormat = 1

const (
	identityFile     = "identity"
	identityTemp     = "identity.new"
	identityBytesMax = 4096
	identityLines    = 5
)

// ErrNewerFormat is returned for data that a newer weir wrote. Nothing was touched.
var ErrNewerFormat = errors.New("node: the data has a newer format; start the weir that wrote it, or a newer one")

// ErrDamagedIdentity is returned when the identity file cannot be believed. Nothing was touched.
var ErrDamagedIdentity = errors.New("node: the identity file is damaged; restore it from a backup of the volume")

// Identity is who a node is for as long as its data exists. docs/format/identity.md draws the file.
type Identity struct {
	Node    int32         // broker id
	Disk    metadata.UUID // of this data directory
	Cluster metadata.UUID // that the data belongs to
}

// encode writes lines of "key value", the last one a checksum of those before.
func (id Identity) encode() []byte {
	body := fmt.Sprintf("weir-identity %d\nnode %d\ndisk %s\ncluster %s\n", identityFormat, id.Node, id.Disk, id.Cluster)
	return fmt.Appendf(nil, "%scrc32c %08x\n", body, checksum(body))
}

func checksum(s string) uint32 { return crc32.Checksum([]byte(s), crc32.MakeTable(crc32.Castagnoli)) }

// decodeIdentity reads what encode writes.
func decodeIdentity(raw []byte) (Identity, error) {
	lines := strings.SplitAfter(string(raw), "\n")
	if v, ok := strings.CutPrefix(strings.TrimSuffix(lines[0], "\n"), "weir-identity "); !ok {
		return Identity{}, fmt.Errorf("%w: it begins with %q", ErrDamagedIdentity, cut(lines[0]))
	} else if n, err := strconv.Atoi(v); err != nil || n < 1 {
		return Identity{}, fmt.Errorf("%w: format %q", ErrDamagedIdentity, cut(v))
	} else if n > identityFormat {
		return Identity{}, fmt.Errorf("%w (identity format %d, this program knows %d)", ErrNewerFormat, n, identityFormat)
	}
	if len(lines) != identityLines+1 || lines[identityLines] != "" {
		return Identity{}, fmt.Errorf("%w: it has %d lines", ErrDamagedIdentity, len(lines)-1)
	}
	body, last := strings.Join(lines[:identityLines-1], ""), lines[identityLines-1]
	if last != fmt.Sprintf("crc32c %08x\n", checksum(body)) {
		return Identity{}, fmt.Errorf("%w: the checksum does not match", ErrDamagedIdentity)
	}
	var id Identity
	var disk, cluster string
	fields := lines[1] + lines[2] + lines[3]
	if _, err := fmt.Sscanf(fields, "node %d\ndisk %s\ncluster %s\n", &id.Node, &disk, &cluster); err != nil {
		return Identity{}, fmt.Errorf("%w: %v", ErrDamagedIdentity, err)
	}
	var err error
	if id.Disk, err = metadata.ParseUUID(disk); err != nil {
		return Identity{}, fmt.Errorf("%w: %v", ErrDamagedIdentity, err)
	}
	if id.Cluster, err = metadata.ParseUUID(cluster); err != nil {
		return Identity{}, fmt.Errorf("%w: %v", ErrDamagedIdentity, err)
	}
	return id, nil
}

// cut shortens text from a damaged file for a message.
func cut(s string) string { return hex.EncodeToString([]byte(s[:min(len(s), 16)])) }

// loadIdentity reads the node's identity; found is false on a blank volume.
func loadIdentity(vol host.Volume) (id Identity, found bool, err error) {
	return loadIdentityOf(vol, identityFile)
}

// loadIdentityOf reads a file of that form.
func loadIdentityOf(vol host.Volume, name string) (id Identity, found bool, err error) {
	f, err := vol.Open(name, host.ReadOnly)
	if errors.Is(err, host.ErrNotExist) {
		return Identity{}, false, nil
	}
	if err != nil {
		return Identity{}, false, fmt.Errorf("open the identity file: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return Identity{}, false, fmt.Errorf("read the identity file: %w", err)
	}
	if size > identityBytesMax {
		return Identity{}, false, fmt.Errorf("%w: it has %d bytes", ErrDamagedIdentity, size)
	}
	raw := make([]byte, size)
	if _, err := f.ReadAt(raw, 0); err != nil && !errors.Is(err, io.EOF) {
		return Identity{}, false, fmt.Errorf("read the identity file: %w", err)
	}
	if id, err = decodeIdentity(raw); err != nil {
		return Identity{}, false, err
	}
	// Its name may be in a cache only, if the start that wrote it died before its sync of the directory.
	if err := vol.SyncDir(""); err != nil {
		return Identity{}, false, fmt.Errorf("sync the identity volume: %w", err)
	}
	return id, true, nil
}

// storeIdentity writes the identity of a new node: temporary file, sync, rename, sync of the directory.
func storeIdentity(vol host.Volume, id Identity) error { return storeIdentityAs(vol, identityFile, id) }

// storeIdentityAs writes a file of that form.
func storeIdentityAs(vol host.Volume, name string, id Identity) error {
	f, err := vol.Open(identityTemp, host.Create)
	if err != nil {
		return fmt.Errorf("write the identity file: %w", err)
	}
	defer f.Close()
	raw := id.encode()
	if err := f.Resize(int64(len(raw))); err != nil {
		return fmt.Errorf("write the identity file: %w", err)
	}
	if _, err := f.WriteAt(raw, 0); err != nil {
		return fmt.Errorf("write the identity file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync the identity file: %w", err)
	}
	if err := vol.Rename(identityTemp, name); err != nil {
		return fmt.Errorf("write the identity file: %w", err)
	}
	if err := vol.SyncDir(""); err != nil {
		return fmt.Errorf("sync the identity volume: %w", err)
	}
	return nil
}
