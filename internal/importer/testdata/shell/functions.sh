#!/bin/sh
BACKUP_NAME=functions
export BORG_REPO=/srv/borg
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS="/home"
LISTS=/var/backups/lists

save_list() {
	mkdir -p "$LISTS"
	"$@" > "$LISTS/$1.txt"
}
guiShowBackupBegin() {
	guiShowNotification "Backup just started."
}
unused() { rm -rf /; }

save_list dpkg -l
save_list pip freeze
guiCanShowNotifications() { false; }
GUI_OVERWRITE_ICON="$PWD/icon.png"
