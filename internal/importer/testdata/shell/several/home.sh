BACKUP_NAME=home
export BORG_REPO=/mnt/borg/
ARCHIVE_NAME="{hostname}-home-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS=/home
PRUNE_PREFIX="{hostname}-home-"
PRUNE_PARAMS="--keep-daily=14"
