package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"borgcron/internal/backup"
)

// Deliver sends what waits, to all channels at the same time. What cannot be delivered is kept; it returns how
// many channels could not be reached, without those on which nobody looks now. A channel that failed once is not tried again by this process, so that a
// monitor that is down costs one timeout and not one a job.
func (d *Dispatcher) Deliver(ctx context.Context) (unreached int) {
	ctx, cancel := hurry(ctx)
	defer cancel()
	d.starts.Wait()
	failures := make([]error, len(d.Posts))
	var all sync.WaitGroup
	for i, post := range d.Posts {
		if !d.isDown(post) {
			all.Go(func() {
				failures[i] = errors.Join(d.deliverFrom(ctx, d.Outbox, post), d.deliverFrom(ctx, &d.spare, post))
			})
		}
	}
	all.Wait()
	for i, err := range failures {
		switch {
		case err == nil:
			continue
		case errors.Is(err, ErrNobody): // nothing is wrong
			d.Log.Debug("a message waits until somebody can see it", "channel", d.Posts[i].Name)
			continue
		}
		d.setDown(d.Posts[i])
		said := "a message could not be delivered; it is kept and sent later"
		if d.spare.waits(d.Posts[i].Name) {
			said = "a message could not be delivered, and cannot be kept"
		}
		d.Log.Warn(said, "channel", d.Posts[i].Name, "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.down)
}

func (d *Dispatcher) isDown(post Post) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.down[post.Name]
}

func (d *Dispatcher) setDown(post Post) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down == nil {
		d.down = map[string]bool{}
	}
	d.down[post.Name] = true
}

// hurry returns a context that outlives the end of ctx by a little: that we are being ended is itself worth telling.
func hurry(ctx context.Context) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(hurriedTimeout, func() { cancel(errors.New("we are being ended")) })
		context.AfterFunc(lasting, func() { timer.Stop() })
	})
	return lasting, func() {
		stop()
		cancel(nil)
	}
}

// deliverFrom delivers what waits for a channel in an outbox. An error says that the channel could not be reached; an
// outbox that fails is no fault of the channel's.
func (d *Dispatcher) deliverFrom(ctx context.Context, outbox Outbox, post Post) error {
	letters, err := outbox.Claim(ctx, post.Name, d.Now().Add(2*deliverTimeout))
	if err != nil {
		d.Log.Warn("the messages that wait cannot be read", "channel", post.Name, "error", err)
		return nil
	}
	var failure error
	away := false // those that come after wait
	began := d.Now()
	for _, letter := range letters {
		letter.Problem = ""
		switch {
		case away, d.Now().Sub(began) >= deliverTimeout:
			letter.Problem = "waits for those before it"
		default:
			if err := d.deliver(ctx, post, letter); err != nil {
				letter.Problem = backup.CleanLine(err.Error(), 200)
				away = letter.Tries == 0 // one that was refused before may never be taken: it is not to hold up the others
				letter.Tries++
				failure = err
			}
		}
		if err := outbox.Settle(context.WithoutCancel(ctx), letter); err != nil {
			d.Log.Warn("a message may be sent twice", "channel", post.Name, "error", err)
		}
	}
	return failure
}

func (d *Dispatcher) deliver(ctx context.Context, post Post, letter backup.Letter) error {
	var message Message
	if err := json.Unmarshal(letter.Body, &message); err != nil {
		d.Log.Error("a message that was kept cannot be read and is dropped", "channel", post.Name, "error", err)
		return nil
	}
	if post.Monitor && message.Exit < 2 && d.Now().Sub(letter.Made) > worthKnowing {
		d.Log.Info("a success is too long ago to tell a monitor of it", "channel", post.Name, "job", message.Job)
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, deliverTimeout, fmt.Errorf("no answer within %v", deliverTimeout))
	defer cancel()
	return post.Channel.Deliver(ctx, message)
}
