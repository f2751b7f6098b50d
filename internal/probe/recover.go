package probe

// Points of package broker that recoveries for other brokers pass.
var (
	BrokerRecoveryBegun     = define("broker.a WAL is recovered for another")
	BrokerRecoveryAgain     = define("broker.a recovery for another failed and is repeated")
	BrokerRecoveryOvertaken = define("broker.a recovery for another met a later holder")
	BrokerRecoveryHole      = define("broker.a recovery for another found a hole")
	BrokerRecoveryReleased  = define("broker.a recovered WAL was released")
	BrokerVolumeWaits       = define("broker.the volume of a WAL was waited for")
	BrokerVolumeUnconfirmed = define("broker.the detach of a dead broker's volume was not confirmed")
	BrokerRecoverySwept     = define("broker.the files of a released WAL were found and removed")
)
