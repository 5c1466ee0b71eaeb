#!/bin/sh
# shellcheck disable=SC2034
# The nightly backup of the server.

BACKUP_NAME='server'
export BORG_REPO='ssh://borg@backup.example:22/./server'
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%dT%H:%M:%S}" # or %Y-%m-%d
BACKUP_DIRS="/home /etc /srv /var/log /root /usr/local"

export BORG_PASSCOMMAND='cat /root/borg.key'
COMPRESSION="zlib,6"

PRUNE_PREFIX="{hostname}-$BACKUP_NAME-"
PRUNE_PARAMS="--keep-daily=14 --keep-weekly=8 --keep-monthly=6 --keep-yearly=0"

ADD_BACKUP_PARAMS="--one-file-system --exclude /home/*/.cache --exclude-caches"
SLEEP_TIME="5m"
RETRY_NUM="3"
RETRY_NUM_PRUNE="1"

export BORG_RSH="ssh -i /root/.ssh/backup"
export BORG_KEYS_DIR="/root/keys"
export BORG_CACHE_DIR="~/.cache/borg"

# create list of installed packages
dpkg --get-selections > "/var/backups/dpkg.list" 2>/dev/null
apt list --installed > "/var/backups/apt.list" 2>/dev/null
