// Command weir runs and operates a weir node, a Kafka-compatible log broker whose data lives in object
// storage behind a small write-ahead log.
//
//	weir server                    one process: broker and controller, Kafka on 127.0.0.1:9092
//	weir topic|group …             operate it over the Kafka protocol
//	weir produce|consume TOPIC     lines in, lines out
//	weir recover                   give up a lost WAL volume, by an operator's explicit word
//	weir sim …                     replay seeds of the simulator
//	weir version
//
// It is the outermost layer: flags, files, signals, HTTP and the terminal. It holds no rule of the
// system. It is exempt from the host seam's ban list.
package main
