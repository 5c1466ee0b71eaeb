#!/bin/sh
BACKUP_NAME="$(hostname -s)-$(whoami)"
export BORG_REPO="/mnt/$(hostname)/borg"
ARCHIVE_NAME="$(hostname -s)-data-$(date +%Y-%m-%d_%H-%M)"
export BORG_PASSPHRASE="$(pass show backup/borg | head -n 1)"
BACKUP_DIRS="/home $(cat /etc/more-dirs)"
COMPRESSION=`nproc | sed 's/.*/lz4/'`
PRUNE_PREFIX="$(hostname -s)-data-"
PRUNE_PARAMS="--keep-daily=`expr 7 + 7`"
BACKUP_DIRS=/home
