package notify

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func TestWebhookRequest(t *testing.T) {
	address, sent := recorder(t)
	url := backup.Secret{Text: address + "/hook?key=a%2Fb"}
	headers := map[string]backup.Secret{"authorization": {Text: "Bearer hunter2"}, "Content-Type": {Text: "application/cloudevents+json"}, "Host": {Text: "hook.example"}}
	short := Message{Event: backup.NewsTest, Title: "a <test> & more"}
	for name, test := range map[string]struct {
		hook *Webhook
		m    Message
		want string
	}{
		"POST": {&Webhook{URL: url}, failure, `POST /hook?key=a%2Fb HTTP/1.1
Host: HOST
Accept-Encoding: gzip
Connection: close
Content-Length: 158
Content-Type: application/json
User-Agent: borgcron

{"event":"failed","host":"laptop","job":"home","repository":"nas","state":"failed","run":{"id":"r1"},"message":"laptop: backup of home failed\nit went wrong"}`},
		"PUT": {&Webhook{URL: url, Method: "PUT", Headers: headers}, short, `PUT /hook?key=a%2Fb HTTP/1.1
Host: HOST
Accept-Encoding: gzip
Authorization: Bearer hunter2
Connection: close
Content-Length: 116
Content-Type: application/cloudevents+json
User-Agent: borgcron

{"event":"test","host":"","job":"","repository":"","state":"","run":null,"message":"a \u003ctest\u003e \u0026 more"}`},
		"GET": {&Webhook{URL: url, Method: "GET"}, failure, `GET /hook?key=a%2Fb&event=failed&job=home&repository=nas&state=failed HTTP/1.1
Host: HOST
Accept-Encoding: gzip
Connection: close
User-Agent: borgcron

`},
		"GET without a query": {&Webhook{URL: backup.Secret{Text: address}, Method: "GET"}, Message{Event: "failed", Job: "a&b c"}, `GET /?event=failed&job=a%26b+c&repository=&state= HTTP/1.1
Host: HOST
Accept-Encoding: gzip
Connection: close
User-Agent: borgcron

`},
	} {
		t.Run(name, func(t *testing.T) {
			test.hook.Read = asText
			deliver(t, test.hook, test.m)
			if diff := cmp.Diff(test.want, sent()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWebhookHost: a server behind a proxy of its own may want to be called by another name.
func TestWebhookHost(t *testing.T) {
	r := request(t, "http://127.0.0.1:1/")
	if err := setHeader(r, "host", "hook.example"); err != nil || r.Host != "hook.example" {
		t.Errorf("%v, %s", err, r.Host)
	}
}
