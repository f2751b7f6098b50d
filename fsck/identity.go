package fsck

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weirmq/weir/metadata"
)

const identityFile = "identity"

// identity is who a node is.
type identity struct {
	node          int32
	disk, cluster metadata.UUID
}

// decodeIdentity reads the identity file, as docs/format/identity.md draws it.
func decodeIdentity(b []byte) (identity, error) {
	var id identity
	lines := strings.SplitAfter(string(b), "\n")
	if len(lines) != 6 || lines[5] != "" {
		return id, fmt.Errorf("it has %d lines, not 5", len(lines)-1)
	}
	if lines[0] != "weir-identity 1\n" {
		return id, fmt.Errorf("it begins with %q", lines[0])
	}
	if want := fmt.Sprintf("crc32c %08x\n", crc([]byte(strings.Join(lines[:4], "")))); lines[4] != want {
		return id, fmt.Errorf("its checksum is wrong")
	}
	field := func(line, name string) string {
		s, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), name+" ")
		if !ok {
			return ""
		}
		return s
	}
	node, err := strconv.ParseInt(field(lines[1], "node"), 10, 32)
	if err != nil {
		return id, fmt.Errorf("its node id is %q", field(lines[1], "node"))
	}
	id.node = int32(node)
	if id.disk, err = metadata.ParseUUID(field(lines[2], "disk")); err != nil {
		return id, fmt.Errorf("its disk: %w", err)
	}
	if id.cluster, err = metadata.ParseUUID(field(lines[3], "cluster")); err != nil {
		return id, fmt.Errorf("its cluster: %w", err)
	}
	return id, nil
}
