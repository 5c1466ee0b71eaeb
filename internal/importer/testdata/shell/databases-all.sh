BACKUP_NAME='alldbs'
export BORG_REPO='/mnt/borg'
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS="/var/www"
SQL_BACKUP_PASSPHRASE="mysql-s3cret"
export SQL_BACKUP_PASSPHRASE
/opt/borgcron/tools/databasedump.sh
