#!/bin/sh
BACKUP_NAME=laptop
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now}"
BACKUP_DIRS="/home /etc"

# at home the disk, elsewhere the server
if mountpoint -q /mnt/disk; then
	BORG_REPO=/mnt/disk/borg
else
	BORG_REPO=ssh://me@server.example/./laptop
fi
export BORG_REPO

# no backup without the network
ping -c 1 server.example > /dev/null || exit 1
# nor in the train
[ -e /tmp/no-backup ] && exit 0

if [ -f /etc/extra.list ]; then
	ADD_BACKUP_PARAMS="--exclude-from /etc/extra.list"
fi

case "$(hostname -s)" in
laptop) COMPRESSION=lz4 ;;
*) COMPRESSION=zstd,10 ;;
esac

[ -x /usr/bin/flatpak ] && flatpak list --app > /home/me/flatpaks.list
PRUNE_PREFIX="{hostname}-$BACKUP_NAME-"
PRUNE_PARAMS="-d 7 -w4 -m 6"
