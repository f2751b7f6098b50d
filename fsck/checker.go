package fsck

// checker is one Check at work.
type checker struct {
	meta, wal Image
	bucket    Bucket
	o         Options
	report    *Report
	cache     *Cache
}

func newChecker(meta, wal Image, bucket Bucket, o Options) *checker {
	c := &checker{meta: meta, wal: wal, bucket: bucket, o: o, cache: o.Cache, report: &Report{}}
	if c.cache == nil {
		c.cache = &Cache{}
	}
	return c
}

func (c *checker) find(f Finding) { c.report.Findings = append(c.report.Findings, f) }
func (c *checker) note(f Finding) { c.report.Notes = append(c.report.Notes, f) }

// run looks at everything, in an order in which each part may rely on those before.
func (c *checker) run() {
	keys, err := c.bucket.List()
	if err != nil {
		c.find(Finding{Kind: Unreadable, Where: "bucket", What: "it cannot be listed: " + err.Error()})
	}
	c.report.Counts.Keys = len(keys)
	c.report.sort()
}
