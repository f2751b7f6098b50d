package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
)

func fsckCommand() *cobra.Command {
	var c serverConfig
	var asJSON, stopped, quick bool
	cmd := &cobra.Command{
		Use:   "fsck [DIR...]",
		Short: "Check what is stored: metadata, WAL and bucket against each other",
		Long: `Check everything that is stored, by a reader that shares no code with the server.

It reads the metadata log, the WAL and every object that metadata refers to, verifies all checksums, and
looks for offsets that are nowhere or in two places. It writes nothing and repairs nothing. Each finding
says what is wrong, where, and what to do; notes are what a crash leaves, or work that the next start goes
on with. The status is 0 if there is no finding.

The server must not run: what it does meanwhile would look like damage. Settings are those of weir server;
only --data and --objstore-config count.

For a cluster, name the data directories of its nodes, at least of most controllers, and the volumes of the
WALs with --volumes if they do not lie below those:

	weir fsck n1 n2 n3 --volumes DIR --objstore-config FILE`,
		RunE: func(cmd *cobra.Command, dirs []string) error {
			volumes := c.Volumes
			if len(dirs) > 0 {
				c.Volumes = "" // a setting that one process alone refuses
			}
			if err := c.load(cmd.Flags()); err != nil {
				return err
			}
			check := checkData
			if c.Volumes = cmp.Or(volumes, c.Volumes); len(dirs) > 0 {
				check = func(c *serverConfig, o fsck.Options) (*fsck.Report, error) { return checkCluster(c, dirs, o) }
			}
			rep, err := check(&c, fsck.Options{Stopped: stopped, Quick: quick, Progress: progress(os.Stderr)})
			if err != nil {
				return err
			}
			return printReport(cmd.OutOrStdout(), rep, asJSON)
		},
	}
	c.flags(cmd.Flags())
	for _, name := range []string{"listen", "advertise", "http", "memory", "wal-size", "upload-age",
		"auto-create-topics", "fault-plan", "allow-faults"} {
		_ = cmd.Flags().MarkHidden(name) // they are here so that a server's configuration can be given as it is
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.Flags().BoolVar(&stopped, "stopped", false,
		"demand that the server stopped in order: clean mark, nothing owed by the WAL")
	cmd.Flags().BoolVar(&quick, "quick", false, "look at keys and sizes of objects, not into them")
	return cmd
}

func printReport(w io.Writer, rep *fsck.Report, asJSON bool) error {
	if asJSON {
		raw, err := rep.JSON()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, string(raw)); err != nil {
			return err
		}
	} else if err := rep.Print(w); err != nil {
		return err
	}
	if !rep.OK() {
		return errSaid
	}
	return nil
}

// checkData checks a data directory and its object store.
func checkData(c *serverConfig, o fsck.Options) (*fsck.Report, error) {
	node := filepath.Join(c.Data, "node")
	if _, err := os.Stat(node); err != nil {
		return nil, fmt.Errorf("there is no weir data in %s: %w", c.Data, err)
	}
	h, lock, err := lockData(c.Data)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	bucket, err := c.openBucket(h)
	if err != nil {
		return nil, err
	}
	o.Node = dirImage(node)
	return fsck.Check(dirImage(filepath.Join(c.Data, "meta")), dirImage(filepath.Join(c.Data, "wal")), bucket, o), nil
}

// lockData makes sure that no server uses a data directory meanwhile.
func lockData(dir string) (*oshost.Host, io.Closer, error) {
	h, err := oshost.New(oshost.Config{Data: dir, Node: "weir", Log: slog.NewTextHandler(io.Discard, nil)})
	if err != nil {
		return nil, nil, err
	}
	lock, err := onHost(h, func(sc *host.Scope) (io.Closer, error) {
		vol, err := h.Disk().Volume(sc, "node")
		if err != nil {
			return nil, err
		}
		return vol.Lock("lock")
	})
	if errors.Is(err, host.ErrLocked) {
		return nil, nil, fmt.Errorf("the data in %s is in use by a running weir: stop it first; what it writes meanwhile "+
			"would look like damage", dir)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("lock the data in %s: %w", dir, err)
	}
	return h, lock, nil
}

// checkCluster checks the data directories of a cluster's nodes, their volumes and their object store.
func checkCluster(c *serverConfig, dirs []string, o fsck.Options) (*fsck.Report, error) {
	if c.ObjStore == "" {
		return nil, errors.New("--objstore-config: name the object store that the nodes share")
	}
	var x fsck.Cluster
	var h *oshost.Host
	var volumes []string
	if c.Volumes != "" {
		volumes = append(volumes, c.Volumes)
	}
	for _, dir := range dirs {
		volumes = append(volumes, filepath.Join(dir, "volumes"))
		if _, err := os.Stat(filepath.Join(dir, "node")); err != nil {
			return nil, fmt.Errorf("there is no weir data in %s: %w", dir, err)
		}
		at, lock, err := lockData(dir)
		if err != nil {
			return nil, err
		}
		defer lock.Close()
		h = at
		x.Nodes = append(x.Nodes, fsck.Node{Name: dir, Meta: dirImage(filepath.Join(dir, "meta")),
			Node: dirImage(filepath.Join(dir, "node"))})
	}
	x.Volume = func(id metadata.UUID) fsck.Image {
		for _, dir := range volumes {
			path := filepath.Join(dir, id.String())
			if _, err := os.Stat(path); err == nil {
				return dirImage(path)
			}
		}
		return nil
	}
	bucket, err := c.openBucket(h)
	if err != nil {
		return nil, err
	}
	return fsck.CheckCluster(x, bucket, o), nil
}

// progress prints once a second what is being read, from the second second on.
func progress(w io.Writer) func(string, int64, int64) {
	next := time.Now().Add(2 * time.Second)
	return func(what string, done, total int64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			fmt.Fprintf(w, "fsck: %s, %d of %d\n", what, done, total)
		}
	}
}
