package partition

import (
	"encoding/binary"
	"hash/crc32"
)

// fixCRC makes a damaged snapshot's CRC right.
func fixCRC(p []byte) {
	n := len(p) - crcSize
	binary.BigEndian.PutUint32(p[n:], crc32.Checksum(p[:n], castagnoli))
}
