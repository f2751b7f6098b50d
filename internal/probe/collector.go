package probe

// Points of package collector.
var (
	CollectorSwept = define("collector.the sweep deleted garbage")
	CollectorLeads = define("collector.a new leader collects")
)
