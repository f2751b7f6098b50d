// Package s3store is an objectstore.Store in a bucket of an S3 server, over minio-go. It is one of the cloud
// clients: it uses the network, real time and goroutines directly and does not run in the simulator.
//
// It does not retry: minio-go is told not to, because its retry of a conditional put that lost its answer
// reports the caller's own object as a conflict. Wrap it in objectstore.WithRetry.
//
// An object is sent by one PUT, however large, so memory is a few buffers a call, nothing is ever half
// uploaded, and no unfinished multipart upload has to be found and swept. The price is a limit of 5 GiB.
//
// # States
//
// A call is a request on a pooled connection. A connection without progress in either direction for the
// response timeout (30 s unless configured) is closed and the call fails, so that a dead server cannot hang
// it; the scope's end closes it too.
//
// # Invariants
//
//	S1 BodyAtRest    when Put returns, no goroutine of the client reads the body any more, nor will
//	S2 ExactAnswer   a ranged answer is checked against Content-Range before it counts
//	S3 WholeUpload   a request that ends early cannot be taken for a shorter object: its last chunk is missing
//	S4 ListedInOrder a listing that is not in key order is refused: paging over it would skip objects
//
// Concurrency: a Store is safe for use by many tasks; connections are bounded by Config.HTTP.
package s3store
