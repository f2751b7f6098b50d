package metadata

// The generated code is committed; its header names the versions of protoc and protoc-gen-go.
//
//go:generate protoc --go_out=metadatapb --go_opt=paths=source_relative --proto_path=metadatapb metadata.proto
//go:generate protoc --go_out=metadatapb --go_opt=paths=source_relative --proto_path=metadatapb peer.proto
