package model

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryModelKeepsItsClaims is the proof: each model is safe with all rules on,
// and each case ends as claimed. With -v it prints the stories.
func TestEveryModelKeepsItsClaims(t *testing.T) {
	for _, m := range All() {
		for _, c := range m.Cases {
			t.Run(m.Name+"/"+title(c), func(t *testing.T) {
				claim := m.Check(c)
				t.Logf("%d states, %d steps deep", claim.Verdict.States, claim.Verdict.Depth)
				for i, line := range claim.Verdict.Story {
					t.Logf("%3d  %s", i+1, line)
				}
				require.Empty(t, claim.Wrong, "%s\n%s", c.Why, strings.Join(claim.Verdict.Story, "\n"))
			})
		}
	}
}

func title(c Case) string {
	if len(c.Off) == 0 {
		return "every rule on"
	}
	return "without " + strings.Join(c.Off, " and ")
}

// TestEveryRuleIsInACase holds that no switch of a model is without its story.
func TestEveryRuleIsInACase(t *testing.T) {
	for _, m := range All() {
		named := map[string]bool{}
		for _, c := range m.Cases {
			for _, name := range c.Off {
				named[name] = true
			}
		}
		for _, rule := range m.Rules {
			require.True(t, named[rule.Name], "model %s: no case takes rule %s away", m.Name, rule.Name)
		}
	}
}

// counter is the smallest model: two clerks read a number and write it back plus one. The lock is the rule.
type counter struct{ value, holder, read1, read2, done int8 }

func counters() *Model[counter] {
	return &Model[counter]{
		Name: "counter", Acts: []string{"read", "write"},
		Rules: []Rule{{Number: "0", Name: "lock", Says: "who reads holds the lock until it has written"}},
		Next: func(s counter, off Rules, emit func(Step, counter)) {
			for clerk := int8(1); clerk <= 2; clerk++ {
				next, mine := s, &s.read1
				if clerk == 2 {
					mine = &s.read2
				}
				switch {
				case *mine == 0 && (s.holder == 0 || off.Has(0)):
					next.holder = clerk
					setRead(&next, clerk, s.value+1)
					emit(Step{Act: 0, A: clerk}, next)
				case *mine > 0:
					next.value, next.holder, next.done = *mine, 0, s.done+1
					setRead(&next, clerk, -1)
					emit(Step{Act: 1, A: clerk}, next)
				}
			}
		},
		Broken: func(s counter) string {
			if s.done == 2 && s.value != 2 {
				return "LostUpdate"
			}
			return ""
		},
		Goals: []Goal[counter]{{"both wrote", func(s counter) bool { return s.done == 2 }}},
		Cases: []Case{{Off: []string{"lock"}, Broken: "LostUpdate", Steps: 4}},
	}
}

func setRead(s *counter, clerk, value int8) {
	if clerk == 1 {
		s.read1 = value
		return
	}
	s.read2 = value
}

func TestAWalkSeesEveryStateAndTheShortestWayOut(t *testing.T) {
	safe := Explore(counters(), nil, 100)
	require.True(t, safe.Safe())
	require.Equal(t, 8, safe.States)
	require.Empty(t, safe.Missed)
	require.Empty(t, safe.Idle)

	lost := Explore(counters(), []string{"lock"}, 100)
	require.Equal(t, "LostUpdate", lost.Broken)
	require.Equal(t, []string{"read 1 0 0", "read 2 0 0", "write 1 0 0", "write 2 0 0"}, lost.Story)
}

func TestAClaimThatAWalkContradictsIsTold(t *testing.T) {
	m := counters()
	m.Goals = append(m.Goals, Goal[counter]{"three wrote", func(s counter) bool { return s.done == 3 }})
	m.Acts = append(m.Acts, "steal")
	m.Cases = []Case{
		{Off: []string{"lock"}},
		{Off: []string{"lock"}, Broken: "Other", Steps: 4},
		{Off: []string{"lock"}, Broken: "LostUpdate", Steps: 5},
		{Off: []string{"lock"}, Broken: "LostUpdate", Steps: 4},
	}
	var told []string
	for _, c := range claims(m).Cases {
		told = append(told, claims(m).Check(c).Wrong)
	}
	require.Equal(t, []string{
		"goals never reached: [three wrote]",
		"claimed safe, and LostUpdate is broken after 4 steps",
		"LostUpdate is broken, not Other",
		"the shortest way takes 4 steps, not 5",
		"",
	}, told)
}

func TestAWalkThatIsCutIsNoVerdict(t *testing.T) {
	v := Explore(counters(), nil, 3)
	require.True(t, v.Cut)
	require.False(t, v.Safe())
	require.Equal(t, "the walk saw 3 states and was not at its end", judge(Case{}, v))
}

func ExampleExplore() {
	for _, line := range Explore(counters(), []string{"lock"}, 100).Story {
		fmt.Println(line)
	}
	// Output:
	// read 1 0 0
	// read 2 0 0
	// write 1 0 0
	// write 2 0 0
}
