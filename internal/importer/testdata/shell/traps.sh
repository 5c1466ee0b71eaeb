#!/bin/bash
set -eu
BACKUP_NAME="snapshot"
export BORG_REPO="/mnt/borg"
ARCHIVE_NAME="$HOSTNAME-$BACKUP_NAME-{now:%Y-%m-%dT%H:%M:%S}"
SNAP=/mnt/snap
BACKUP_DIRS="$SNAP/home"
cleanup() {
	umount "$SNAP"
	lvremove -f vg/snap
}
trap cleanup EXIT
trap 'cleanup; exit 2' INT TERM
lvcreate -s -n snap -L 5G vg/home || exit 1
mount -o ro /dev/vg/snap "$SNAP" || { echo "no snapshot" >&2; exit 1; }
PRUNE_PREFIX="$HOSTNAME-$BACKUP_NAME-"
PRUNE_PARAMS="--keep-within 2d --keep-daily 7 --keep-last 3"
