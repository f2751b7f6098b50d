package host

// Buggifier is a host that sometimes asks the code to take a rare turn. Only a simulated one does.
type Buggifier interface{ Buggify(site string) bool }

// Buggify tells whether the code should take the rare but right turn at the place called site: a buffer that is
// full already, an upload that begins now. On a real machine it is always false. The turn must be one that the code
// may take anyway: Buggify makes it frequent, never wrong. (After FoundationDB's BUGGIFY.)
func Buggify(h Host, site string) bool {
	b, ok := h.(Buggifier)
	return ok && b.Buggify(site)
}
