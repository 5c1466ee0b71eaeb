BACKUP_NAME='home'
export BORG_REPO='/mnt/backup/borg'
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS="/home /etc"
