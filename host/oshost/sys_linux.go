package oshost

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// directFlag asks open(2) for I/O past the page cache.
const directFlag = unix.O_DIRECT

// directAlign returns what direct I/O on f asks of offset, length and memory, or 0 when f cannot do it.
func directAlign(f *os.File) (int, error) {
	const common = 4096 // kernels before 6.1 do not tell: the page is a multiple of all usual block sizes
	align := common
	err := control(f, func(fd int) error {
		var st unix.Statx_t
		err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st)
		if err == nil && st.Mask&unix.STATX_DIOALIGN != 0 {
			align = int(max(st.Dio_offset_align, st.Dio_mem_align))
		}
		return nil // an old kernel's refusal leaves the common case
	})
	return align, err
}

// datasync is fdatasync(2).
func datasync(f *os.File) error {
	return control(f, func(fd int) error {
		for {
			if err := unix.Fdatasync(fd); err != unix.EINTR {
				return err
			}
		}
	})
}

// reserve makes f longer by n bytes from its end on, which read as zero and have their room on the medium.
// ErrUnsupported: the file system cannot, and f is as it was.
func reserve(f *os.File, end, n int64) error {
	return control(f, func(fd int) error {
		for {
			if err := unix.Fallocate(fd, 0, end, n); err != unix.EINTR {
				return err
			}
		}
	})
}

// netFS are the magic numbers of file systems whose server may outlive or replace their client's view, so
// that a lock or a sync proves less than on a local disk (linux/magic.h).
var netFS = map[uint32]string{
	0x6969:     "nfs",
	0x517B:     "smb",
	0xFF534D42: "cifs",
	0xFE534D42: "smb2",
	0x5346414F: "afs",
	0x6B414653: "afs",
	0x73757245: "coda",
	0x01021997: "9p",
	0x00C36400: "ceph",
	0x65735546: "fuse",
	0x01161970: "gfs2",
	0x7461636F: "ocfs2",
	0x0BD00BD0: "lustre",
	0x47504653: "gpfs",
	0x19830326: "beegfs",
	0x20030528: "orangefs",
	0x786F4256: "vboxsf",
}

// NetworkFS names the file system at path and reports whether it is, or with FUSE may be, served over a
// network. Such a file system must not hold a volume: its locks do not prove that the last holder is dead.
// The name is "" for a local one. path must exist.
func NetworkFS(path string) (name string, is bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return "", false, fmt.Errorf("oshost: ask for the file system of %s: %w", path, err)
	}
	name, is = netFS[uint32(st.Type)]
	return name, is, nil
}

// space returns the bytes an ordinary user may still write below path, and all bytes.
func space(path string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * st.Frsize, int64(st.Blocks) * st.Frsize, nil
}
