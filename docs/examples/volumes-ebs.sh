#!/bin/bash
# Volumes for --volumes-exec on Amazon EC2: one EBS volume for each WAL. It runs as root on the machine of the broker.
#
#   needs       aws (version 2), curl, findmnt, mkfs.xfs; instances of the Nitro family
#   allow       ec2:CreateVolume, CreateTags, DescribeVolumes, AttachVolume, DetachVolume, DeleteVolume
#   brokers     all in one availability zone: a volume cannot leave its own
#   never       io1/io2 with Multi-Attach: then a detach of one machine says nothing of the others
#
# Exit codes: 0 done and confirmed; 75 not yet, weir calls again; any other: no.
set -euo pipefail

verb=$1 id=$2
type=${EBS_TYPE:-gp3}
force_after=${EBS_FORCE_AFTER:-20}  # seconds that a living instance gets to let go of a volume before it is forced
detach_wait=${EBS_DETACH_WAIT:-120} # seconds in all that one call waits; less than --volumes-timeout
mount=/run/weir/volumes/$id

say() { echo "$*" >&2; }
again() { say "$*"; exit 75; }
fail() { say "$*"; exit 1; }

imds() {
	local token
	token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token) &&
		curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"
}
here=$(imds instance-id) || again "the instance metadata service does not answer"
zone=$(imds placement/availability-zone) || again "the instance metadata service does not answer"
export AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-$(imds placement/region)}

# One line: volume id, state, Multi-Attach, whether it has its file system, and of an attachment the instance and its
# state. Nothing: no volume. What it tells may be some seconds old: that a volume is here only counts together with its
# device, and what must not be wrong, that nobody else has it, attach-volume decides by itself: it refuses.
describe() {
	aws ec2 describe-volumes --output text \
		--filters "Name=tag:weir-volume,Values=$id" "Name=tag:weir-cluster,Values=$WEIR_CLUSTER_ID" \
		--query 'Volumes[?State!=`deleting` && State!=`deleted`].[VolumeId,State,MultiAttachEnabled,Tags[?Key==`weir-formatted`]|[0].Value,Attachments[0].InstanceId,Attachments[0].State]' ||
		again "describe-volumes does not answer"
}
look() {
	local lines
	lines=$(describe) || exit $?
	[ "$(grep -c . <<<"$lines")" -le 1 ] || fail "several volumes carry the tag weir-volume=$id: $lines"
	read -r volume state multi formatted holder attachment <<<"$lines" # an empty line, of no volume, empties them all
	[ "${multi:-False}" != True ] || fail "$volume has Multi-Attach, where a detach proves nothing"
}

# The device of a volume is found by its serial number: the name that attach-volume was given is not the kernel's.
device() {
	local link=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${volume/-/}
	[ -b "$link" ] && readlink -f "$link"
}

unmount() {
	! findmnt -n "$mount" >/dev/null || umount "$mount" || again "$mount is still in use"
}

create() {
	look
	if [ -z "${volume:-}" ]; then
		# A ring and its fence word, and what the file system takes: 5 % and 256 MiB, in GiB, rounded up.
		local gib=$((($1 + $1 / 20 + (256 << 20) + (1 << 30) - 1) >> 30))
		# The client token makes a repeated call answer with the same volume instead of making a second one.
		aws ec2 create-volume --availability-zone "$zone" --size "$gib" --volume-type "$type" --encrypted \
			--client-token "$id" --tag-specifications \
			"ResourceType=volume,Tags=[{Key=weir-volume,Value=$id},{Key=weir-cluster,Value=$WEIR_CLUSTER_ID}]" \
			>/dev/null || again "create-volume failed"
		again "the volume is being created" # and is looked at by the next call: describe-volumes may lag behind
	fi
	case $state in
	creating) again "$volume is being created" ;;
	esac
}

# Returns only when nobody has the volume. An instance that is terminated lets go by itself. One that is stopped keeps
# the volume until it is detached; one that lives is asked first, and forced if it does not answer, because whoever calls
# this has metadata's word that its holder is fenced. Forcing loses what the holder has not synced: nobody was told that
# it was durable. "available" is the confirmation: from then on the instance can do no I/O on it.
detach() {
	unmount
	local begun=$SECONDS forced=
	while look && [ -n "${volume:-}" ] && [ "$state" != available ]; do
		[ "$state" = in-use ] || again "$volume is $state"
		if [ "$attachment" = attached ] || [ "$attachment" = busy ] || [ "$attachment" = detaching ]; then
			if ((SECONDS - begun >= force_after)) && [ -z "$forced" ]; then
				say "forcing $volume from $holder"
				if aws ec2 detach-volume --volume-id "$volume" --instance-id "$holder" --force >/dev/null; then
					forced=yes
				else
					say "detach-volume --force failed and is tried again"
				fi
			elif [ "$attachment" = attached ] && [ -z "$forced" ]; then
				aws ec2 detach-volume --volume-id "$volume" --instance-id "$holder" >/dev/null ||
					say "detach-volume failed and is tried again"
			fi
		fi # while it is still attaching, it is waited for: a detach would be refused
		((SECONDS - begun < detach_wait)) || again "$volume is still $attachment at $holder"
		sleep 2
	done
	[ -n "${volume:-}" ] || fail "there is no volume $id"
}

attach() {
	look
	[ -n "${volume:-}" ] || fail "there is no volume $id"
	# weir calls detach, if metadata still says that the volume is to be here, and then this again.
	[ "$state" != in-use ] || [ "$holder" = "$here" ] || again "$volume is $attachment at $holder"
	if [ "$state" = available ]; then
		aws ec2 attach-volume --volume-id "$volume" --instance-id "$here" --device "$(free_name)" >/dev/null ||
			again "attach-volume failed"
	fi
	local begun=$SECONDS
	until look && [ "${holder:-}" = "$here" ] && [ "${attachment:-}" = attached ] && dev=$(device); do
		((SECONDS - begun < 60)) || again "$volume is not attached here yet: $state, ${attachment:-} at ${holder:-nobody}"
		sleep 1
	done
	if findmnt -n "$mount" >/dev/null; then
		# A mount of the device that a detach took away may be left over: its I/O fails, and the device has come again.
		[ "$(findmnt -n -o SOURCE "$mount")" = "$dev" ] && touch "$mount/.weir" 2>/dev/null && { echo "$mount"; return; }
		umount -l "$mount" || again "$mount is left over and in use"
	fi
	mkdir -p "$mount"
	# Only a volume that never had a file system gets one: what cannot be read is damage, and is left as it is.
	if [ "$formatted" != yes ]; then
		local known=0
		blkid -p "$dev" >/dev/null || known=$?
		case $known in
		0) ;;
		2) mkfs.xfs -q "$dev" ;;
		*) fail "blkid cannot tell what is on $dev" ;;
		esac
		aws ec2 create-tags --resources "$volume" --tags Key=weir-formatted,Value=yes || again "create-tags failed"
	fi
	# The journal is replayed here: the detach was confirmed above, so that nobody else writes to the device. nouuid is for
	# a copy from a snapshot. norecovery would need ro, and would hide what was synced and is still in the journal only.
	mount -t xfs -o nouuid,noatime "$dev" "$mount" || again "$dev cannot be mounted"
	touch "$mount/.weir"
	echo "$mount"
}

# A device name that this instance does not use. EC2 wants one, and the kernel does not follow it.
free_name() {
	local used letter
	used=$(aws ec2 describe-volumes --output text --filters "Name=attachment.instance-id,Values=$here" \
		--query 'Volumes[].Attachments[].Device') || again "describe-volumes does not answer"
	for letter in {f..z}; do
		grep -qw "/dev/sd$letter" <<<"$used" || { echo "/dev/sd$letter"; return; }
	done
	fail "this instance has no device name left"
}

delete() {
	look
	[ -n "${volume:-}" ] || return 0 # it is gone: weir may ask for that often
	detach
	aws ec2 delete-volume --volume-id "$volume" || again "delete-volume failed"
	[ ! -d "$mount" ] || rmdir "$mount" || say "$mount is left: it is empty of weir's, and does no harm"
}

case $verb in
create) create "$3" ;;
attach) attach ;;
detach) detach ;;
delete) delete ;;
*) fail "what is $verb?" ;;
esac
