package sim

// placeNames are the places seen so far, so that naming one again allocates nothing.
type placeNames struct {
	names map[string]string
	buf   []byte
}

// of returns "task op class". The class of a target is the target without what differs from run to run or from
// object to object: numbers, and names that are made of hexadecimal digits.
func (p *placeNames) of(task string, op Op, target string) string {
	b := append(p.buf[:0], task...)
	b = append(append(b, ' '), opNames[op]...)
	b = appendClass(append(b, ' '), target)
	p.buf = b
	if name, known := p.names[string(b)]; known {
		return name
	}
	if p.names == nil {
		p.names = map[string]string{}
	}
	name := string(b)
	p.names[name] = name
	return name
}

// appendClass appends the class of target to b: of each word, between slashes, colons, dots and blanks, "#" if it is
// an id, and the word with "#" for each run of digits otherwise.
func appendClass(b []byte, target string) []byte {
	for i := 0; i < len(target); {
		end := i
		for end < len(target) && !separates(target[end]) {
			end++
		}
		if end == i {
			b = append(b, target[i])
			i++
			continue
		}
		b = appendWord(b, target[i:end])
		i = end
	}
	return b
}

func separates(c byte) bool { return c == '/' || c == ':' || c == '.' || c == ' ' }

// A word is an id if it is hexadecimal and as long as hexWord, or long and not made of small letters alone.
const (
	hexWord  = 8
	longWord = 16
)

func appendWord(b []byte, word string) []byte {
	hex, small := true, true
	for i := range len(word) {
		c := word[i]
		hex = hex && (digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '-')
		small = small && !digit(c) && (c < 'A' || c > 'Z')
	}
	if hex && len(word) >= hexWord || !small && len(word) >= longWord {
		return append(b, '#')
	}
	for i := range len(word) {
		switch {
		case !digit(word[i]):
			b = append(b, word[i])
		case i == 0 || !digit(word[i-1]):
			b = append(b, '#')
		}
	}
	return b
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
