#!/bin/sh
# As the first versions wanted it.
BACKUP_NAME='good-backup'
REPOSITORY='ssh://user@somewhere.example:22/./dir'
BACKUP_DIRS="/home /etc"
PASSPHRASE_FILE="/root/good-key"
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%d}"
REPEAT_NUMS="1 2 3"
PRUNE_PARAMS="--keep-daily=14"
