BACKUP_NAME=HOME
export BORG_REPO=/mnt/borg
ARCHIVE_NAME="{hostname}-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS=/srv
PRUNE_PREFIX="{hostname}-"
PRUNE_PARAMS="--keep-daily=14"
