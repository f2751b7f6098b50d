//go:build !linux

package oshost

import "time"

// boottime says that nothing is known of time spent in suspend.
func boottime() (time.Duration, error) { return 0, nil }
