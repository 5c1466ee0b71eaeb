#!/bin/sh
BACKUP_NAME="with blank"
export BORG_REPO="/mnt/borg"
ARCHIVE_NAME="{fqdn}-{user}-$BACKUP_NAME-{utcnow:%Y%m%d%H%M%S}"
BACKUP_DIRS='/home/*/documents /srv/${data} ./here'
ADD_BACKUP_PARAMS="--exclude '/home/*/.cache' -e *.iso --pattern=-sh:/srv/tmp --exclude-from /etc/borg/exclude.txt
  --noatime --lock-wait 30 --upload-ratelimit=500 -C auto,zstd,3 --list --filter AME --strange --nobsdflags /opt"
PRUNE_PREFIX="with"
PRUNE_PARAMS="--list --keep-daily=-1 --keep-13weekly=4 --keep-3monthly=2"
RUN_PID_DIR=""
SLEEP_TIME=90
LAST_BACKUP_DIR=/var/log/borg/last
BORG_BIN=/usr/local/bin/borg
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_FILES_CACHE_TTL=30 BORG_HOST_ID=x
BORG_REMOTE_PATH=borg1
export TMPDIR=/var/tmp
umask 077
