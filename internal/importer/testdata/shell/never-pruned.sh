BACKUP_NAME=archive
export BORG_REPO=/mnt/borg
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS=/srv
#PRUNE_PREFIX="{hostname}-$BACKUP_NAME-"
PRUNE_PARAMS="--keep-daily=14"
ADD_BACKUP_PARAMS="--dry-run"
NOW=$(date +%s)
echo "$NOW" > /srv/last-started
tar cf - /etc | gzip > "/srv/etc-$NOW.tar.gz" &
cat > /srv/README <<EOT
	Backup of $BACKUP_NAME
EOT
return 0
BACKUP_DIRS=/never
