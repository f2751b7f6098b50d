package fault

import (
	"fmt"
	"strings"
)

// ParseKind returns the kind with this ID. An error is an *UnknownKindError.
func ParseKind(id string) (Kind, error) {
	for k := range infos {
		if infos[k].ID == id {
			return Kind(k), nil
		}
	}
	return 0, &UnknownKindError{ID: id, Near: nearest(id)}
}

// MarshalText returns the kind's ID.
func (k Kind) MarshalText() ([]byte, error) {
	if k >= kindCount {
		return nil, fmt.Errorf("fault: there is no kind %d", uint8(k))
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads an ID.
func (k *Kind) UnmarshalText(id []byte) (err error) {
	*k, err = ParseKind(string(id))
	return err
}

// UnknownKindError is the error for an ID that stands for no kind.
type UnknownKindError struct {
	ID   string
	Near []string // IDs that were perhaps meant
}

func (e *UnknownKindError) Error() string {
	text := fmt.Sprintf("fault: there is no kind of fault %.40q", e.ID)
	if len(e.Near) == 0 {
		return text + "; docs/format/fault-plan.md lists them"
	}
	return text + "; did you mean " + strings.Join(e.Near, " or ") + "?"
}

// nearest returns the IDs that share their name with id, or else those that share their place in the catalogue.
func nearest(id string) []string {
	place, name, dotted := strings.Cut(strings.ToLower(id), ".")
	if !dotted {
		name = place
	}
	var named, placed []string
	for k := range infos {
		p, n, _ := strings.Cut(infos[k].ID, ".")
		switch {
		case name != "" && (strings.Contains(n, name) || strings.Contains(name, n)):
			named = append(named, infos[k].ID)
		case strings.EqualFold(p, place):
			placed = append(placed, infos[k].ID)
		}
	}
	if len(named) > 0 {
		return named
	}
	return placed
}
