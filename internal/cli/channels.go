package cli

import (
	"os"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/history"
	"borgcron/internal/hook"
	"borgcron/internal/notify"
	"borgcron/internal/runner"
	"borgcron/internal/status"
)

// newDispatcher is all that tells of runs.
func (env *environment) newDispatcher(loaded *config.Config, p *parts) *notify.Dispatcher {
	var outbox notify.Outbox = &notify.Memory{}
	if p.history != nil {
		outbox = p.history
	}
	return &notify.Dispatcher{
		Posts:    env.posts(loaded, loaded.Notify),
		Outbox:   outbox,
		Host:     loaded.Host,
		Standing: func(t backup.Target) backup.Standing { return status.Standing(loaded.State, t, env.Now()) },
		Row:      func(run backup.Run) any { return history.RowOf(run) },
		Exit:     runner.ExitCode,
		Now:      env.Now,
		Log:      env.Log,
	}
}

// posts makes some of the configuration's channels.
func (env *environment) posts(loaded *config.Config, channels []config.NamedChannel) []notify.Post {
	posts := make([]notify.Post, 0, len(channels))
	for _, channel := range channels {
		posts = append(posts, notify.Post{
			Name: channel.Name, On: channel.On, Channel: env.channel(loaded, channel.Channel),
			Monitor: channel.Type == "healthchecks",
			Newest:  channel.Type == "healthchecks" || channel.Type == "desktop",
		})
	}
	return posts
}

// channel is one that the configuration describes. What it starts gets the environment of the user's own commands.
func (env *environment) channel(loaded *config.Config, c config.Channel) notify.Channel {
	environ := hook.Environ(env.Environ, env.secretVariables(loaded))
	read := env.secretReader(loaded)
	switch {
	case c.Type == "email" && c.Sendmail != "":
		return &notify.Sendmail{Program: string(c.Sendmail), From: c.From, To: c.To, Environ: environ}
	case c.Type == "email":
		return &notify.Email{Server: c.Server, TLS: c.TLS, User: c.User, Password: c.Password.Secret(), From: c.From, To: c.To, Read: read}
	case c.Type == "ntfy":
		return &notify.Ntfy{URL: c.URL.Secret(), Token: c.Token.Secret(), Priority: c.Priority, Read: read}
	case c.Type == "healthchecks":
		return &notify.Healthchecks{URL: c.URL.Secret(), Read: read}
	case c.Type == "webhook":
		headers := map[string]backup.Secret{}
		for name, value := range c.Headers {
			headers[name] = value.Secret()
		}
		return &notify.Webhook{URL: c.URL.Secret(), Method: c.Method, Headers: headers, Read: read}
	case c.Type == "command":
		return &notify.Command{Run: string(c.Run), Environ: environ}
	}
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return &notify.Desktop{UID: os.Getuid(), Environ: env.Environ, Program: program}
}
