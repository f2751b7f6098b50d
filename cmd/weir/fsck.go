package main

import (
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
)

func fsckCommand() *cobra.Command {
	var c serverConfig
	var asJSON, stopped, quick bool
	cmd := &cobra.Command{
		Use:   "fsck",
		Short: "Check what is stored: metadata, WAL and bucket against each other",
		Long: `Check everything that is stored, by a reader that shares no code with the server.

It reads the metadata log, the WAL and every object that metadata refers to, verifies all checksums, and
looks for offsets that are nowhere or in two places. It writes nothing and repairs nothing. Each finding
says what is wrong, where, and what to do; notes are what a crash leaves, or work that the next start goes
on with. The status is 0 if there is no finding.

The server must not run: what it does meanwhile would look like damage. Settings are those of weir server;
only --data and --objstore-config count.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.load(cmd.Flags()); err != nil {
				return err
			}
			rep, err := checkData(&c, fsck.Options{Stopped: stopped, Quick: quick, Progress: progress(os.Stderr)})
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
	h, err := oshost.New(oshost.Config{Data: c.Data, Node: "weir", Log: slog.NewTextHandler(io.Discard, nil)})
	if err != nil {
		return nil, err
	}
	lock, err := onHost(h, func(sc *host.Scope) (io.Closer, error) {
		vol, err := h.Disk().Volume(sc, "node")
		if err != nil {
			return nil, err
		}
		return vol.Lock("lock")
	})
	if errors.Is(err, host.ErrLocked) {
		return nil, fmt.Errorf("the data in %s is in use by a running weir: stop it first; what it writes meanwhile "+
			"would look "+
			"like damage", c.Data)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data: %w", err)
	}
	defer lock.Close()
	bucket, err := c.openBucket(h)
	if err != nil {
		return nil, err
	}
	o.Node = dirImage(node)
	return fsck.Check(dirImage(filepath.Join(c.Data, "meta")), dirImage(filepath.Join(c.Data, "wal")), bucket, o), nil
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
