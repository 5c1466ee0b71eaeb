#!/bin/sh
BACKUP_NAME=loops
export BORG_REPO=/mnt/borg
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%d}"
BACKUP_DIRS=
for dir in home etc srv; do
	[ "$dir" = srv ] && continue
	BACKUP_DIRS="$BACKUP_DIRS /$dir"
done
ADD_BACKUP_PARAMS=
set -- cache trash tmp
while [ $# -gt 0 ]; do
	ADD_BACKUP_PARAMS="$ADD_BACKUP_PARAMS --exclude sh:/home/*/.$1"
	shift
done
keep() {
	PRUNE_PARAMS="$PRUNE_PARAMS --keep-$1=$2"
}
keep daily 7
keep weekly 4
keep monthly $((3 * 4))
PRUNE_PREFIX="{hostname}-$BACKUP_NAME-"
until [ "${RETRY_NUM:-0}" -ge 5 ]; do
	RETRY_NUM=$((RETRY_NUM + 1))
done
