package run

// FaultRow is what a sweep did of one kind of fault.
type FaultRow struct {
	Fault   string `json:"fault"` // its ID
	Promise string `json:"promise,omitempty"`
	Fired   uint64 `json:"fired"`
	Seeds   int    `json:"seeds"`   // in which it fired
	Between uint64 `json:"between"` // times that it fired between an effect and its acknowledgement
}

// ProbeRow is what a sweep reached of one rare place.
type ProbeRow struct {
	Probe string `json:"probe"`
	Hits  uint64 `json:"hits"`
	Seeds int    `json:"seeds"` // that reached it
}
