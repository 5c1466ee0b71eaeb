package importer

import (
	"path/filepath"
	"strings"
)

// databases turns a call of the old script that dumps databases of MySQL into a job's own dumps. Its arguments win over the variables.
func (j *shellJob) databases(call shellCall, key string, deed *shellDeed) {
	argument := func(n int, name string) string {
		if len(call.args) > n && call.args[n] != "" {
			return call.args[n]
		}
		if variable := deed.variables[name]; variable.Exported {
			return variable.String()
		}
		return ""
	}
	names, destination := strings.Fields(argument(1, "SQL_BACKUP_DATABASES")), argument(2, "SQL_BACKUP_DESTINATION")
	if len(names) == 0 {
		names = []string{"all"}
	}
	for _, text := range append([]string{destination}, names...) {
		if marked(text) {
			j.note(deed.statement.Pos(), key, Left, "it depends on what a program prints: write `databases` yourself")
			return
		}
	}
	database := newMapping()
	database.set("type", "mysql")
	database.set("names", escapeAll(names))
	if user := argument(3, "SQL_BACKUP_USER"); user != "" && !marked(user) {
		database.set("user", escape(user))
	}
	j.databasePassword(database, argument(4, "SQL_BACKUP_PASSPHRASE"), argument(len(call.args), "SQL_BACKUP_PASSCOMMAND"), key, deed)
	fate, message := Taken, "the job dumps the databases itself (`databases`)"
	if filepath.IsAbs(destination) {
		j.node.set("spool", escape(destination))
	} else {
		fate, message = Changed, message+": as archives of their own, without a folder between"
	}
	list := []mapping{database}
	if j.node.has("databases") {
		fate, message = Left, "databases are dumped twice: the second call was not taken over"
	} else {
		j.node.set("databases", sequence(list))
	}
	j.note(deed.statement.Pos(), key, fate, "%s", message)
	for _, name := range []string{"SQL_BACKUP_DATABASES", "SQL_BACKUP_DESTINATION", "SQL_BACKUP_USER"} {
		if _, set := j.set[name]; set {
			if deed.variables[name].Exported {
				j.say(name, Taken, "it is in `databases`")
			} else {
				j.say(name, Left, "it is not exported, so the script never saw it")
			}
		}
	}
}

// databasePassword gives the dumps their password: of a command, else what is said.
func (j *shellJob) databasePassword(database mapping, passphrase, command, key string, deed *shellDeed) {
	tell := func(name string, fate Fate, message string) {
		if _, set := j.set[name]; set {
			j.say(name, fate, "%s", message)
		} else {
			j.note(deed.statement.Pos(), key, fate, "%s", message)
		}
	}
	if command != "" {
		secret, fate, message := passcommandSecret(command)
		if secret != nil {
			database.set("password", secret)
		}
		tell("SQL_BACKUP_PASSCOMMAND", fate, message)
	}
	switch {
	case passphrase == "":
	case database.has("password"):
		tell("SQL_BACKUP_PASSPHRASE", Left, "SQL_BACKUP_PASSCOMMAND stands there as well")
	case marked(passphrase):
		secret, fate, message := j.printed(passphrase)
		if secret != nil {
			database.set("password", secret)
		} else {
			message = "it depends on what a program prints: write `password: {command: ...}`"
		}
		tell("SQL_BACKUP_PASSPHRASE", fate, message)
	default:
		if path, ok := j.secrets.add(j.name+"-mysql", passphrase); ok {
			database.set("password", map[string]string{"file": path})
			tell("SQL_BACKUP_PASSPHRASE", Changed, "it is in a file of its own now")
		} else {
			tell("SQL_BACKUP_PASSPHRASE", Left, leftSecret)
		}
	}
}

func escapeAll(texts []string) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = escape(text)
	}
	return all
}
