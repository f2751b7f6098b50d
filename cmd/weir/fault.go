package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/filestore"
)

// machineName is the server's name in logs and in the targets of fault plans.
const machineName = "weir"

// serverVolumes are the directories under --data, by the names that a plan's targets have for them.
var serverVolumes = []string{"node", "meta", "wal", "store"}

// checkFaults refuses a plan without the word that says it is meant.
func (c *serverConfig) checkFaults() error {
	if c.FaultPlan != "" && !c.AllowFaults {
		return errors.New("--fault-plan makes this server fail on purpose; add --allow-faults if that is what you want")
	}
	return nil
}

// readPlan reads the plan of --fault-plan and says what of it this server cannot carry out.
func (c *serverConfig) readPlan() (fault.Plan, error) {
	if c.FaultPlan == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(c.FaultPlan)
	if err != nil {
		return nil, fmt.Errorf("read the fault plan: %w", err)
	}
	plan, err := fault.Parse(string(raw))
	var wrong *fault.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return nil, fmt.Errorf("--fault-plan %s line %d, column %d: %s", c.FaultPlan, wrong.Line, wrong.Column, wrong.Text)
	case err != nil:
		return nil, fmt.Errorf("--fault-plan %s: %w", c.FaultPlan, err)
	case len(plan) == 0:
		return nil, fmt.Errorf("--fault-plan %s has no step; docs/format/fault-plan.md shows how to write one", c.FaultPlan)
	}
	var unsuited *fault.UnsuitedError
	if errors.As(fault.CheckReal(plan, machineName), &unsuited) {
		return nil, fmt.Errorf("--fault-plan %s line %d: %s", c.FaultPlan, fault.LineOf(string(raw), unsuited.Steps[0]),
			unsuited.Text)
	}
	for _, s := range plan {
		volume, onVolume := strings.CutPrefix(s.Target, machineName+":")
		if onVolume && !slices.Contains(serverVolumes, volume) {
			return nil, fmt.Errorf("--fault-plan %s line %d: there is no volume %s; the volumes are %s:%s",
				c.FaultPlan, fault.LineOf(string(raw), s), s.Target, machineName, strings.Join(serverVolumes, ", "+machineName+":"))
		}
	}
	return plan, nil
}

// underPlan returns the injector of plan on h, nil if there is no plan, and warns of it on w.
func (c *serverConfig) underPlan(h host.Host, plan fault.Plan, w io.Writer) (*fault.Injector, error) {
	if plan == nil {
		return nil, nil
	}
	var kinds []string
	for _, s := range plan {
		if id := s.Kind.String(); !slices.Contains(kinds, id) {
			kinds = append(kinds, id)
		}
	}
	fmt.Fprintf(w, "WARNING: this server fails on purpose: it carries out %s, steps: %d (%s). Never use it on data "+
		"that you need.\n", c.FaultPlan, len(plan), strings.Join(kinds, ", "))
	return fault.NewInjector(h, plan, machineName)
}

// tellFaults says which faults have struck, and which steps have not come to their turn.
func tellFaults(i *fault.Injector, w io.Writer) {
	if i == nil {
		return
	}
	var struck []string
	for _, n := range i.Fired() {
		struck = append(struck, fmt.Sprintf("%s %d", n.Kind, n.Fired))
	}
	fmt.Fprintf(w, "fault plan: struck: %s\n", nothing(struck))
	const shown = 10
	left := i.Unfired()
	if len(left) > shown {
		fmt.Fprintf(w, "fault plan: %d steps have not struck, the first of them:\n", len(left))
		left = left[:shown]
	} else if len(left) > 0 {
		fmt.Fprintln(w, "fault plan: steps that have not struck:")
	}
	fmt.Fprint(w, left)
}

func nothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

// openStoreUnder opens the object store as i lets it be seen; without i the node opens the embedded one itself.
func (c *serverConfig) openStoreUnder(h host.Host, i *fault.Injector) (objectstore.Store, error) {
	store, err := c.openStore(h)
	if err != nil || i == nil {
		return store, err
	}
	if store == nil {
		if store, err = onHost(h, func(sc *host.Scope) (objectstore.Store, error) {
			return c.openEmbedded(sc, h)
		}); err != nil {
			return nil, err
		}
	}
	return i.Store(store), nil
}

// openEmbedded opens the embedded object store as the node would.
func (c *serverConfig) openEmbedded(sc *host.Scope, h host.Host) (objectstore.Store, error) {
	vol, err := h.Disk().Volume(sc, "store")
	if err != nil {
		return nil, fmt.Errorf("open the embedded object store: %w", err)
	}
	return filestore.New(h, vol, "objects", filepath.Join(c.Data, "store"))
}
