// Package filestore is an objectstore.Store in a directory of a host volume: one file an object, atomic and
// synced, with put-if-absent by link. It is the store of the single process and of the tests. It is not for
// network file systems, whose link, lock and directory sync promise less, and not for file systems that
// fold the case of names.
//
// docs/format/filestore.md draws the layout: objects/<key>, and tmp/<session>/ for what is being written.
//
// # States
//
// An object being put is a file in this session's own temporary directory; then, written and synced, it
// gets its name (rename to replace, link to create) and every directory from there up to objects/ is
// synced; then the put is acknowledged. A crash leaves the temporary file, which New removes once the
// session's lock is free, or an object that is complete and was not acknowledged, and perhaps an empty
// directory. Deleting an object also removes the directories it leaves empty.
//
// # Invariants
//
//	F1 SyncBeforeName   a file gets a name below objects/ only after its content and size were synced
//	F2 NameBeforeAck    a put returns nil, and a put-if-absent ErrExists, only after every directory on the
//	                    way to the object was synced: an answer that the object is there stays true
//	F3 GoneBeforeAck    a delete returns nil only after the nearest directory left was synced, also when it
//	                    found nothing: an earlier delete may have removed the name and crashed before
//	F4 OwnTemp          a temporary file is removed by its own session, or after its session's lock was taken
//	F5 OneKindOfName    a name below objects/ is a directory or an object; what would need both is refused
//
// A reader may see an object before its put was acknowledged, and a crash may take that object away.
// A failed directory sync is tried again by the next attempt. That is sound where directories are
// journalled metadata (ext4, xfs, btrfs): there a sync that fell behind a lost write cannot succeed.
//
// Concurrency: a Store is safe for use by many tasks, and a directory by many processes of one machine. At
// most four puts move bytes at a time; the rest wait.
package filestore
