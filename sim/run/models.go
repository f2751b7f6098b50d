package run

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/check/model"
)

// ModelsJSON is the file of evidence of the protocol's models.
const ModelsJSON = "models.json"

// ModelsFile is what walks through the models found.
type ModelsFile struct {
	Command string       `json:"command"`
	Build   Build        `json:"build"`
	Models  []ModelTable `json:"models"`
	Wrong   int          `json:"wrong"` // claims that a walk contradicts
	Wall    float64      `json:"wall_s"`
}

// ModelTable is one model with its claims.
type ModelTable struct {
	Name   string       `json:"name"`
	About  string       `json:"about"`
	Rules  []model.Rule `json:"rules"`
	Claims []ModelClaim `json:"claims"`
}

// ModelClaim is one row: with these rules off the model is safe, or is broken after so many steps.
type ModelClaim struct {
	model.Verdict
	Why   string  `json:"why"`
	Wrong string  `json:"wrong,omitempty"`
	Wall  float64 `json:"wall_s"`
}

// Models walks through the models of those names, all of them if there is none, and hands each claim to done.
func Models(names []string, done func(ModelClaim)) (*ModelsFile, error) {
	all := model.All()
	for _, name := range names {
		if !slices.ContainsFunc(all, func(m *model.Claims) bool { return m.Name == name }) {
			return nil, fmt.Errorf("no model is called %q; there are %s", name, modelNames(all))
		}
	}
	f := &ModelsFile{Build: ThisBuild()}
	begin := time.Now()
	for _, m := range all {
		if len(names) > 0 && !slices.Contains(names, m.Name) {
			continue
		}
		table := ModelTable{Name: m.Name, About: m.About, Rules: m.Rules}
		for _, c := range m.Cases {
			from := time.Now()
			walked := m.Check(c)
			row := ModelClaim{
				Verdict: *walked.Verdict, Why: c.Why, Wrong: walked.Wrong, Wall: rounded(time.Since(from).Seconds()),
			}
			if row.Wrong != "" {
				f.Wrong++
			}
			table.Claims = append(table.Claims, row)
			done(row)
		}
		f.Models = append(f.Models, table)
	}
	f.Wall = rounded(time.Since(begin).Seconds())
	return f, nil
}

func modelNames(all []*model.Claims) string {
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// Write prints a claim as one row, and the story of what was broken below it if it is asked for.
func (c ModelClaim) Write(w io.Writer, story bool) error {
	off := "every rule on"
	if len(c.Off) > 0 {
		off = "without " + strings.Join(c.Off, ", ")
	}
	outcome := "safe"
	if c.Broken != "" {
		outcome = fmt.Sprintf("%s after %d steps", c.Broken, len(c.Story))
	}
	_, err := fmt.Fprintf(w, "%-10s %-50s %9d states %6.1f s  %s\n", c.Model, off, c.States, c.Wall, outcome)
	if err != nil {
		return err
	}
	if c.Wrong != "" {
		if _, err := fmt.Fprintf(w, "%11sWRONG: %s\n", "", c.Wrong); err != nil {
			return err
		}
	}
	if !story || c.Broken == "" {
		return nil
	}
	for i, line := range c.Story {
		if _, err := fmt.Fprintf(w, "%14d  %s\n", i+1, line); err != nil {
			return err
		}
	}
	return nil
}
