#!/bin/sh
export BACKUP_NAME=hidden BORG_PASSPHRASE=hunter2 LISTS=/var/lists
export BORG_REPO=/mnt/borg
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS=/home
TOKEN=tk_87654321
API_TOKEN="$(cat /etc/token)"
dpkg -l > "$LISTS/dpkg"
PGPASSWORD=hunter3 pg_dump shop > /var/backups/shop.sql
dump() {
	MYSQL_PASSWORD='hunter4'
	mysqldump shop > /var/backups/shop.sql
}
dump
if curl -H "Bearer $TOKEN" https://example.org/may-i; then
	COMPRESSION=zstd
fi
curl -H "Bearer $API_TOKEN" https://example.org/start
trap "curl -H 'Bearer $TOKEN' https://example.org/end" EXIT
export BORG_PASSPHRASE="$(vault read -token="$TOKEN" borg)"
