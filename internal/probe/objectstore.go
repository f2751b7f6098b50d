package probe

// Points of package objectstore.
var (
	StoreOwnExists   = define("objectstore.a conditional put met its own earlier attempt")
	StoreOtherExists = define("objectstore.a conditional put lost after an attempt without answer")
	StoreDenied      = define("objectstore.a denial was waited out")
	StoreLater       = define("objectstore.the store asked to come back later")
	StoreGaveUp      = define("objectstore.a call gave up at its total")
	StoreManyTries   = define("objectstore.a call needed five attempts")
	StoreHung        = define("objectstore.an attempt ended at its own deadline")
)
