//go:build !linux

package oshost

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// directFlag is empty: there is no direct I/O here.
const directFlag = 0

func directAlign(*os.File) (int, error) { return 0, nil }

func datasync(f *os.File) error { return f.Sync() }

// reserve is not known here.
func reserve(*os.File, int64, int64) error { return errors.ErrUnsupported }

// NetworkFS knows no file systems here and takes every one for local.
func NetworkFS(string) (name string, is bool, err error) { return "", false, nil }

func space(path string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}
