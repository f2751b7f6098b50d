package probe

// Points of package rpc.
var (
	// At the dialler.
	RPCFailedFast  = define("rpc.a call failed at once in the pause after a lost connection")
	RPCCallsFull   = define("rpc.too many calls to one address")
	RPCSendDropped = define("rpc.a one-way message was not taken")
	RPCLeftQueued  = define("rpc.a caller left before its request did")
	RPCCancelSent  = define("rpc.a caller left an unanswered request")
	RPCAnswerLate  = define("rpc.an answer came for a call that had ended")
	RPCLostPending = define("rpc.a connection was lost with calls unanswered")
	RPCKeptQueued  = define("rpc.requests that had not left went on the next connection")
	RPCSilentPeer  = define("rpc.a dialler hung up on a silent peer")
	RPCLinkIdle    = define("rpc.a connection ended for idleness")

	// At the end that was dialled.
	RPCConnsFull       = define("rpc.too many connections")
	RPCNoHello         = define("rpc.a connection began without a hello")
	RPCTurnedAway      = define("rpc.a node of another cluster or version was turned away")
	RPCStranger        = define("rpc.a node without a cluster was refused a method")
	RPCSilentDialler   = define("rpc.a listener hung up on a silent dialler")
	RPCOneWayIgnored   = define("rpc.a one-way message found no handler")
	RPCRequestTooLarge = define("rpc.a request was larger than its method takes")
	RPCAnswerTooLarge  = define("rpc.an answer was larger than a frame")
	RPCStopping        = define("rpc.a request came while the server stopped")
	RPCStopCut         = define("rpc.a stop cut connections off")
	RPCInFlightFull    = define("rpc.a connection had too many requests unanswered")
	RPCMemoryWaited    = define("rpc.a request waited for memory")
	RPCMemoryFull      = define("rpc.a request found no memory in time")
	RPCTurnWaited      = define("rpc.a handler waited for its turn")
	RPCCancelled       = define("rpc.a handler's caller had left")
	RPCAnswerUnheard   = define("rpc.an answer had nobody to hear it")
	RPCSayWaited       = define("rpc.a connection was read no further until refusals left")

	// At both.
	RPCBadFrame = define("rpc.a frame with another checksum")
)
