package run

// Timeline is a run as a picture: how much was done when, and what went wrong meanwhile. Times are seconds of virtual
// time.
type Timeline struct {
	Length float64 `json:"length_s"`
	Bin    float64 `json:"bin_s"` // width of the bins
	OK     []int   `json:"ok"`    // operations that ended in each bin, by outcome
	Failed []int   `json:"failed"`
	Open   []int   `json:"unknown"`
	Bands  []Band  `json:"bands"` // faults that lasted
	Marks  []Mark  `json:"marks"` // crashes, starts and the failure
}

// Band is a fault that lasted.
type Band struct {
	Fault string  `json:"fault"`
	From  float64 `json:"from_s"`
	To    float64 `json:"to_s"`
}

// Mark is an instant.
type Mark struct {
	At   float64 `json:"at_s"`
	Kind string  `json:"kind"` // "crash", "start", "fault" or "failure"
	Text string  `json:"text"`
}
