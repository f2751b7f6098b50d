package check

import "errors"

// ErrFormat is returned when a line of a history file cannot be understood. The
// message names the line.
var ErrFormat = errors.New("not a history this version can read")
