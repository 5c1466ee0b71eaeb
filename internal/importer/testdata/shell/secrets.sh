#!/bin/sh
BACKUP_NAME=secrets
export BORG_REPO=user@host.example:backups/secrets
ARCHIVE_NAME="secrets-{now:%Y-%m-%dT%H:%M:%S}"
BACKUP_DIRS="/home"
export BORG_PASSPHRASE='correct horse battery'
TOKEN="tk_12345678"
curl -fsS -H "Authorization: Bearer $TOKEN" https://example.org/start > /dev/null
PRUNE_PREFIX=""
PRUNE_PARAMS="--keep-daily=7"
