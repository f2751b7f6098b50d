// Package clients drives real Kafka clients against the real weir process: kcat, franz-go, sarama,
// confluent-kafka-go (librdkafka), kafka-python and the Java client.
//
// It is a module of its own, so that no client and no cgo come into the product's module graph, and it
// knows weir by its binary and its wire protocol only. It holds tests and nothing else; they carry the
// build tag integration, and `make integration` installs what they need.
//
// # What is tested
//
//	produce, consume   every client, as it comes, with a topic that its first record creates
//	codecs             every codec of every producer, read by every consumer
//	groups             two members, rebalance, commit, resume after kill -9
//	admin              topics, partitions, settings, groups, offsets, leader epochs
//	wire               answers that a client library would hide, request by request
//	commands           weir topic, group, produce and consume
//
// # How
//
// Each test starts a server of its own on data of its own. A client runs with its default settings but
// two: where to begin (earliest), and the codec in the test of codecs. Clients in other languages, and
// kcat, are child processes; see process. Nothing sleeps: a test waits for what it wants to see and
// fails when it does not come in time.
package clients
