#!/bin/sh
BACKUP_NAME='web'
export BORG_REPO='ssh://backup@vault.example/~/web'
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS="/var/www /root/backup/db"
export BORG_PASSCOMMAND='gpg -d "/root/my key.gpg"'
export SQL_BACKUP_USER="root"
export SQL_BACKUP_PASSCOMMAND='cat "/root/.mysqlPassword"'
export SQL_BACKUP_DESTINATION="/root/backup/db"
# backup specified databases, or all if you do not pass any parameter
../tools/databasedump.sh "shop wiki"
PRUNE_PREFIX="{hostname}-$BACKUP_NAME-"
PRUNE_PARAMS="--keep-daily=7 --keep-weekly=5 --keep-monthly=2 --keep-yearly=0"
