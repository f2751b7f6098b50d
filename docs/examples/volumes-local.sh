#!/bin/sh
# Volumes for --volumes-exec on one machine, for trying and for tests. They are directories below $VOLUMES_DIR, or beside
# this script.
#
# A volume is given to one node at a time: the holder reaches it through a name of its own, and a
# detach takes that name away. That is no real detach: a process that still has files open goes on writing to them, so
# that only the lease and the fence word stop a holder that is alive. Never use it for more than one machine's tests.
set -eu
dir=${VOLUMES_DIR:-$(dirname "$0")/volumes}
verb=$1 id=$2
volume=$dir/all/$id
name=$dir/node-$WEIR_NODE_ID/$id
mkdir -p "$dir/all" "$dir/node-$WEIR_NODE_ID"
echo "node $WEIR_NODE_ID generation $WEIR_WAL_GENERATION: $*" >>"$dir/calls"

case $verb in
create)
	mkdir -p "$volume"
	;;
attach)
	[ -d "$volume" ] || { echo "there is no volume $id" >&2; exit 1; }
	for other in "$dir"/node-*/"$id"; do
		[ -L "$other" ] || continue
		[ "$other" = "$name" ] || { echo "$id is still attached as $other" >&2; exit 75; }
	done
	ln -sfn "$volume" "$name"
	echo "$name"
	;;
detach)
	rm -f "$dir"/node-*/"$id"
	;;
delete)
	rm -f "$dir"/node-*/"$id"
	rm -rf "$volume"
	;;
*)
	echo "what is $verb?" >&2
	exit 64
	;;
esac
