package borg

import (
	"strings"

	"borgcron/internal/backup"
)

// Known is an error of borg's that we know.
type Known struct {
	ID     string // borg's message id; "" for what only the text tells
	Code   int    // borg's modern exit code, 0 if it has none of its own
	Class  backup.Class
	Lost   bool   // what borg did last may have been committed
	Hint   string // what to do, "" if there is nothing to say
	Source string // where borg defines it (module of 1.4), or how we know
}

// Hints that several errors share.
const (
	hintPassphrase = "look at `passphrase` of this repository"
	hintKey        = "look at `keys` of this repository, and at borg's documentation of `key`"
	hintSpace      = "free space where the repository is: other files first, as borg needs room for a whole segment (some 550 MB) even to prune and compact"
	hintFull       = "free space where the repository is, and where borg's cache is (`cache`, else ~/.cache/borg)"
	hintSSH        = "does ssh reach the server without asking, and is borg installed there? See `ssh` and `remote_path` of this repository"
	hintServer     = "is the server up, and the network?"
	hintAlarm      = "do not delete anything; look at the repository with `borg check` before anything else writes there"
	hintLocation   = "look at `location` of this repository: is the disk mounted? A new one is made by `borgcron init JOB`"
	hintHolder     = "another borg is at work there, or one that died left its lock behind; to see which: borgcron unlock JOB"
	hintRights     = "who owns the files of the repository and of borg's cache? A run as root may have left some"
	hintOptions    = "look at `borg_options` of this job"
	hintMoved      = "if this is right, confirm it once by hand: borgcron borg JOB -- info"
	hintServerBorg = "is the borg on the server as new as the one here, and does no start-up file of its shell print anything?"
	hintName       = "put seconds into `archive_name`"
)

// Table returns all errors that we know. Codes are those of borg 1.4 with BORG_EXIT_CODES=modern; borg 1.2
// has the same ids, and 2 for all of them. Where two ids share their last part, the first is what a server means.
func Table() []Known {
	const (
		transient, permanent, alarm = backup.Transient, backup.Permanent, backup.Alarming
	)
	return []Known{
		{"CancelledByUser", 3, permanent, false, "borg asked a question that only a person may answer; see its log", "helpers/errors.py"},
		{"CommandError", 4, permanent, false, hintOptions, "helpers/errors.py"},
		{"PlaceholderError", 5, permanent, false, hintOptions, "helpers/parseformat.py"},
		{"InvalidPlaceholder", 6, permanent, false, hintOptions, "helpers/parseformat.py"},

		{"Repository.AlreadyExists", 10, permanent, false, "a repository is already there, it can be used as it is", "repository.py"},
		{"Repository.AtticRepository", 11, permanent, false, "this is a repository of attic: see borg's documentation of `upgrade`", "repository.py"},
		{"Repository.CheckNeeded", 12, alarm, false, hintAlarm, "repository.py"},
		{"Repository.DoesNotExist", 13, permanent, false, hintLocation, "repository.py"},
		{"Repository.InsufficientFreeSpaceError", 14, permanent, false, hintSpace, "repository.py"},
		{"Repository.InvalidRepository", 15, permanent, false, hintLocation, "repository.py"},
		{"Repository.InvalidRepositoryConfig", 16, permanent, false, hintLocation, "repository.py"},
		{"Repository.ObjectNotFound", 17, alarm, false, hintAlarm, "repository.py"},
		{"Repository.ParentPathDoesNotExist", 18, permanent, false, hintLocation, "repository.py"},
		{"Repository.PathAlreadyExists", 19, permanent, false, hintLocation, "repository.py"},
		{"Repository.StorageQuotaExceeded", 20, permanent, false, hintSpace, "repository.py"},
		{"Repository.PathPermissionDenied", 21, permanent, false, hintRights, "repository.py"},
		{"MandatoryFeatureUnsupported", 25, permanent, false, "a newer borg wrote there: install that one here", "helpers/manifest.py"},
		{"NoManifestError", 26, permanent, false, "the repository is only half made, perhaps by an `init` that failed: remove it if it is new", "helpers/manifest.py"},
		{"UnsupportedManifestError", 27, permanent, false, "a newer borg wrote there: install that one here", "crypto/key.py"},

		{"Archive.AlreadyExists", 30, permanent, false, hintName, "archive.py"},
		{"Archive.DoesNotExist", 31, permanent, false, "", "archive.py"},
		{"Archive.IncompatibleFilesystemEncodingError", 32, permanent, false, "", "archive.py"},

		{"KeyfileInvalidError", 40, permanent, false, hintKey, "crypto/key.py"},
		{"KeyfileMismatchError", 41, permanent, false, hintKey, "crypto/key.py"},
		{"KeyfileNotFoundError", 42, permanent, false, hintKey, "crypto/key.py"},
		{"NotABorgKeyFile", 43, permanent, false, hintKey, "crypto/keymanager.py"},
		{"RepoKeyNotFoundError", 44, permanent, false, hintKey, "crypto/key.py"},
		{"RepoIdMismatch", 45, permanent, false, hintKey, "crypto/keymanager.py"},
		{"UnencryptedRepo", 46, permanent, false, hintKey, "crypto/keymanager.py"},
		{"UnknownKeyType", 47, permanent, false, hintKey, "crypto/keymanager.py"},
		{"UnsupportedPayloadError", 48, permanent, false, "a newer borg wrote there: install that one here", "crypto/key.py"},
		{"UnsupportedKeyFormatError", 49, permanent, false, "a newer borg wrote there: install that one here", "borg 2"},
		{"NoPassphraseFailure", 50, permanent, false, hintPassphrase, "crypto/key.py"},
		{"PasscommandFailure", 51, transient, false, hintPassphrase, "crypto/key.py"},
		{"PassphraseWrong", 52, permanent, false, hintPassphrase, "crypto/key.py"},
		{"PasswordRetriesExceeded", 53, permanent, false, hintPassphrase, "crypto/key.py"},

		{"Cache.CacheInitAbortedError", 60, permanent, false, hintMoved, "cache.py"},
		{"Cache.EncryptionMethodMismatch", 61, alarm, false, hintAlarm, "cache.py"},
		{"Cache.RepositoryAccessAborted", 62, permanent, false, hintMoved, "cache.py"},
		{"Cache.RepositoryIDNotUnique", 63, alarm, false, "two repositories have one id: one is a copy of the other", "cache.py"},
		{"Cache.RepositoryReplay", 64, alarm, false, "the repository is older than what was seen there before: was it restored, or rolled back by somebody?", "cache.py"},

		{"LockError", 70, transient, false, hintHolder, "locking.py"},
		{"LockErrorT", 71, transient, false, hintHolder, "locking.py"},
		{"LockFailed", 72, permanent, false, hintRights, "locking.py"},
		{"LockTimeout", 73, transient, false, hintHolder, "locking.py"},
		{"NotLocked", 74, alarm, false, "somebody broke our lock: " + hintAlarm, "locking.py"},
		{"NotMyLock", 75, alarm, false, "somebody broke our lock: " + hintAlarm, "locking.py"},

		{"ConnectionClosed", 80, transient, true, hintServer, "remote.py"},
		{"ConnectionClosedWithHint", 81, transient, true, hintSSH, "remote.py"},
		{"InvalidRPCMethod", 82, permanent, false, hintServerBorg, "remote.py"},
		{"PathNotAllowed", 83, permanent, false, "the server allows another path only: see --restrict-to-path there", "remote.py"},
		{"RemoteRepository.RPCServerOutdated", 84, permanent, false, hintServerBorg, "remote.py"},
		{"UnexpectedRPCDataFormatFromClient", 85, permanent, false, hintServerBorg, "remote.py"},
		{"UnexpectedRPCDataFormatFromServer", 86, permanent, false, hintServerBorg, "remote.py"},
		{"ConnectionBrokenWithHint", 87, transient, true, hintServer, "remote.py"},

		{"IntegrityError", 90, alarm, false, hintAlarm, "helpers/errors.py"},
		{"FileIntegrityError", 91, alarm, false, "it may be a file of borg's cache only: " + hintAlarm, "crypto/file_integrity.py"},
		{"DecompressionError", 92, alarm, false, hintAlarm, "helpers/errors.py"},
		{"ArchiveTAMInvalid", 95, alarm, false, hintAlarm, "crypto/key.py"},
		{"ArchiveTAMRequiredError", 96, alarm, false, hintAlarm, "crypto/key.py"},
		{"TAMInvalid", 97, alarm, false, hintAlarm, "crypto/key.py"},
		{"TAMRequiredError", 98, alarm, false, hintAlarm, "crypto/key.py"},
		{"TAMUnsupportedSuiteError", 99, alarm, false, hintAlarm, "crypto/key.py"},
	}
}

// knownTexts are errors of the system, which borg passes on without an id of their own.
func knownTexts() []struct {
	text  string
	known Known
} {
	return []struct {
		text  string
		known Known
	}{
		// borg 1.2 has no id for a connection that is lost while it sends; 1.4 has ConnectionBrokenWithHint.
		{"BrokenPipeError", Known{Class: backup.Transient, Lost: true, Hint: hintServer, Source: "seen: ssh ended"}},
		{"No space left on device", Known{Class: backup.Permanent, Hint: hintFull, Source: "seen: a full disk"}},
		{"Disk quota exceeded", Known{Class: backup.Permanent, Hint: hintSpace, Source: "errno(3)"}},
		{"Read-only file system", Known{Class: backup.Permanent, Hint: hintRights, Source: "errno(3)"}},
		{"Permission denied", Known{Class: backup.Permanent, Hint: hintRights, Source: "seen: files of another user"}},
	}
}

// find looks an error up by its id, else by its exit code. An id without a dot, as a server sends it, is
// known by the last part of ours; in one with a dot the whole decides.
func find(id string, code int) (Known, bool) {
	table := Table()
	for _, known := range table {
		if id != "" && known.ID == id {
			return known, true
		}
	}
	for _, known := range table {
		if id != "" && !strings.Contains(id, ".") && strings.HasSuffix(known.ID, "."+id) {
			return known, true
		}
	}
	for _, known := range table {
		if code != 0 && known.Code == code {
			return known, true
		}
	}
	return Known{}, false
}

// findText looks an error of the system up by its text.
func findText(message string) (Known, bool) {
	for _, entry := range knownTexts() {
		if strings.Contains(message, entry.text) {
			return entry.known, true
		}
	}
	return Known{}, false
}
