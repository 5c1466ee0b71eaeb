package notify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"borgcron/internal/backup"
)

// asText reads secrets that stand in the configuration.
func asText(_ context.Context, s backup.Secret) ([]byte, error) { return []byte(s.Text), nil }

// webChannels are the three channels that speak HTTP, with a secret wherever there is room for one.
func webChannels(address string) map[string]Channel {
	url := backup.Secret{Text: address}
	return map[string]Channel{
		"ntfy":         &Ntfy{URL: url, Token: backup.Secret{Text: "hunter2-token"}, Read: asText},
		"healthchecks": &Healthchecks{URL: url, Read: asText},
		"webhook":      &Webhook{URL: url, Headers: map[string]backup.Secret{"X-Key": {Text: "hunter2-header"}}, Read: asText},
		"webhook GET":  &Webhook{URL: url, Method: "GET", Headers: map[string]backup.Secret{"Authorization": {Text: "hunter2-header"}}, Read: asText},
	}
}

// secretive puts secrets into an address.
func secretive(address string) string {
	return strings.Replace(address, "://", "://hunter2-user:hunter2-password@", 1) + "/hunter2-path/x?key=hunter2-query#hunter2-fragment"
}

// failure is the message that is delivered in most tests.
var failure = Message{
	Event: backup.NewsFailed, Host: "laptop", Job: "home", Repository: "nas", State: "failed", Run: []byte(`{"id":"r1"}`),
	Title: "laptop: backup of home failed", Text: "it went wrong\n",
}

// tellsNothing checks an error and all that it wraps for secrets and addresses.
func tellsNothing(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, bad := range []string{"hunter2", "127.0.0.1", "[::1]", "localhost", "://"} {
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
			if strings.Contains(text, bad) {
				t.Errorf("the error shows %q: %s", bad, text)
			}
		}
	}
	tellsNothing(t, errors.Unwrap(err))
}

// quiet is a server that does not log what its clients do.
func quiet(t *testing.T, handler http.HandlerFunc, start func(*httptest.Server)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	start(server)
	t.Cleanup(server.Close)
	return server
}

// echo answers with a status and all that it was sent.
func echo(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sent, _ := httputil.DumpRequest(r, true)
		w.Header().Set("Location", "http://hunter2-elsewhere/"+r.URL.String())
		w.WriteHeader(status)
		w.Write(sent)
	}
}

// raw answers with bytes, which need not be HTTP, and closes the connection.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			io.WriteString(conn, answer)
			conn.Close()
		}
	}
}

// TestHTTPErrors: each thing that can go wrong is said in words, and none of them tells a secret or an address.
func TestHTTPErrors(t *testing.T) {
	plain, encrypted := (*httptest.Server).Start, (*httptest.Server).StartTLS
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		start   func(*httptest.Server)
		want    string
	}{
		"moved":          {echo(301), plain, "answered 301 Moved Permanently, which is not followed: configure the address that it leads to"},
		"found":          {echo(302), plain, "answered 302 Found, which is not followed: configure the address that it leads to"},
		"kept":           {echo(308), plain, "answered 308 Permanent Redirect, which is not followed: configure the address that it leads to"},
		"unauthorized":   {echo(401), plain, "answered 401 Unauthorized"},
		"not found":      {echo(404), plain, "answered 404 Not Found"},
		"too many":       {echo(429), plain, "answered 429 Too Many Requests"},
		"server error":   {echo(500), plain, "answered 500 Internal Server Error"},
		"unknown status": {echo(599), plain, "answered 599"},
		"own words":      {raw("HTTP/1.1 503 hunter2-path\r\nX: hunter2\r\n\r\nhunter2"), plain, "answered 503 Service Unavailable"},
		"closed":         {raw(""), plain, "the server closed the connection without an answer"},
		"cut off":        {raw("HTTP/1.1 200 OK\r\nX-Hunt: hunter2"), plain, "the server closed the connection without an answer"},
		"no HTTP":        {raw("hunter2 says 127.0.0.1\r\n\r\n"), plain, "there was no proper HTTP answer"},
		"long header":    {raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("hunter2", 20000) + "\r\n\r\n"), plain, "there was no proper HTTP answer"},
		"no trust":       {echo(200), encrypted, certificateReason(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := quiet(t, test.handler, test.start)
			for kind, channel := range webChannels(secretive(server.URL)) {
				err := channel.Deliver(t.Context(), failure)
				if err == nil || err.Error() != test.want {
					t.Errorf("%s: %v, want %s", kind, err, test.want)
				}
				tellsNothing(t, err)
			}
		})
	}
}

func TestHTTPServerThatIsNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	server := quiet(t, echo(200), (*httptest.Server).Start)
	for name, test := range map[string]struct{ address, want string }{
		"refused": {secretive("http://" + listener.Addr().String()), "connection refused"},
		"no name": {secretive("https://hunter2..invalid"), "the name of the server could not be resolved: there is no such name"},
		"no TLS":  {secretive("https://" + server.Listener.Addr().String()), "the server speaks http there, not https"},
	} {
		for kind, channel := range webChannels(test.address) {
			err := channel.Deliver(t.Context(), failure)
			if err == nil || err.Error() != test.want {
				t.Errorf("%s, %s: %v, want %s", name, kind, err, test.want)
			}
			tellsNothing(t, err)
		}
	}
}

// TestHTTPServerThatHangs: the end of the context ends the delivery, and its cause is what is said.
func TestHTTPServerThatHangs(t *testing.T) {
	called, done := make(chan struct{}), make(chan struct{})
	defer close(done)
	server := quiet(t, func(http.ResponseWriter, *http.Request) {
		called <- struct{}{}
		<-done
	}, (*httptest.Server).Start)
	late := errors.New("no answer within 30s")
	for kind, channel := range webChannels(secretive(server.URL)) {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-called
			cancel(late)
		}()
		if err := channel.Deliver(ctx, failure); !errors.Is(err, late) || err.Error() != late.Error() {
			t.Errorf("%s: %v", kind, err)
		}
		over, cancelOver := context.WithDeadline(t.Context(), time.Now())
		err := channel.Deliver(over, failure)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", kind, err)
		}
		tellsNothing(t, err)
		cancelOver()
	}
}

// TestHTTPAnswerThatDoesNotEnd: a message that was taken was taken, whatever becomes of the rest of the answer.
func TestHTTPAnswerThatDoesNotEnd(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for err := error(nil); err == nil; {
				_, err = w.Write(make([]byte, 4096))
			}
		},
		"stalled": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then does the server see the end of the connection
			w.WriteHeader(http.StatusOK)
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"cut off": raw("HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nOK"),
		"none":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := quiet(t, handler, (*httptest.Server).Start)
			for kind, channel := range webChannels(secretive(server.URL)) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				if err := channel.Deliver(ctx, failure); err != nil || ctx.Err() != nil {
					t.Errorf("%s: %v, and the end of the context: %v", kind, err, ctx.Err())
				}
				cancel()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if body, err := sendHTTP(newHTTPClient(), request(t, server.URL).WithContext(ctx)); err != nil || len(body) > mostAnswer {
				t.Errorf("%v, %d bytes were read", err, len(body))
			}
		})
	}
}

// TestHTTPServerThatComesBack: nothing is kept of a failure.
func TestHTTPServerThatComesBack(t *testing.T) {
	status := make(chan int, 1)
	server := quiet(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(<-status) }, (*httptest.Server).Start)
	for kind, channel := range webChannels(server.URL) {
		for _, code := range []int{500, 200, 429, 204} {
			status <- code
			if err := channel.Deliver(t.Context(), failure); (err == nil) != (code < 300) {
				t.Errorf("%s, %d: %v", kind, code, err)
			}
		}
	}
}

// certificate makes one for localhost that signs itself.
func certificate(t *testing.T, name string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hunter2"}, DNSNames: []string{name},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestHTTPCertificates: only a server that proves its name is spoken to.
func TestHTTPCertificates(t *testing.T) {
	for name, test := range map[string]struct {
		name  string
		until time.Duration
		auth  tls.ClientAuthType
		want  string
	}{
		"good":                      {"localhost", time.Hour, tls.NoClientCert, ""},
		"other name":                {"hunter2.example", time.Hour, tls.NoClientCert, certificateReason(&tls.CertificateVerificationError{Err: x509.HostnameError{}})},
		"expired":                   {"localhost", -time.Hour, tls.NoClientCert, certificateReason(&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}})},
		"wants one of the client's": {"localhost", time.Hour, tls.RequireAnyClientCert, "the server refused the encrypted connection (tls: handshake failure)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own, pool := certificate(t, test.name, time.Now().Add(test.until))
			server := quiet(t, echo(200), func(s *httptest.Server) {
				// With TLS 1.3 the client may write before it hears that it is refused.
				s.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: test.auth, MaxVersion: tls.VersionTLS12}
				s.StartTLS()
			})
			_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
			client := newHTTPClient()
			transport := client.Transport.(*http.Transport)
			transport.TLSClientConfig = &tls.Config{RootCAs: pool}
			transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
			}
			_, err := sendHTTP(client, request(t, secretive("https://localhost:"+port)))
			if err == nil && test.want != "" || err != nil && err.Error() != test.want {
				t.Errorf("%v, want %q", err, test.want)
			}
			tellsNothing(t, err)
		})
	}
}

func request(t *testing.T, address string) *http.Request {
	t.Helper()
	parsed, err := readAddress(t.Context(), asText, backup.Secret{Text: address})
	if err != nil {
		t.Fatal(err)
	}
	r, err := newHTTPRequest(t.Context(), http.MethodPost, parsed, "hunter2-body")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHTTPProxies(t *testing.T) {
	refusing := quiet(t, echo(http.StatusProxyAuthRequired), (*httptest.Server).Start)
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, test := range map[string]struct{ proxy, want string }{
		"refuses":   {refusing.URL, "the proxy answered 407 Proxy Authentication Required"},
		"not there": {closed.URL, "the proxy cannot be used: connection refused"},
	} {
		proxy, err := url.Parse(strings.Replace(test.proxy, "://", "://hunter2:hunter2@", 1))
		if err != nil {
			t.Fatal(err)
		}
		client := newHTTPClient()
		client.Transport.(*http.Transport).Proxy = http.ProxyURL(proxy)
		_, err = sendHTTP(client, request(t, "https://hunter2.example/hunter2"))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		tellsNothing(t, err)
	}
}

// TestHTTPProxyOfTheEnvironment runs itself again, because net/http reads the environment only once.
func TestHTTPProxyOfTheEnvironment(t *testing.T) {
	if os.Getenv("HTTP_PROXY") != "" && os.Getenv("BORGCRON_TEST_CHILD") == "1" {
		hook := &Webhook{URL: backup.Secret{Text: "http://hunter2.example/path"}, Read: asText}
		err := hook.Deliver(t.Context(), failure)
		tellsNothing(t, err)
		fmt.Printf("error: %v.\n", err)
		return
	}
	proxied := make(chan string, 1)
	proxy := quiet(t, func(_ http.ResponseWriter, r *http.Request) { proxied <- r.RequestURI }, (*httptest.Server).Start)
	for address, want := range map[string]string{
		proxy.URL:                  "error: <nil>.",
		"http://hunter2..example/": "error: the proxy cannot be used: the name of the server could not be resolved: there is no such name.",
	} {
		child := exec.Command(os.Args[0], "-test.run=^TestHTTPProxyOfTheEnvironment$")
		child.Env = []string{"BORGCRON_TEST_CHILD=1", "HTTP_PROXY=" + address}
		out, err := child.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, want %q:\n%s", err, want, out)
		}
	}
	select {
	case uri := <-proxied:
		if uri != "http://hunter2.example/path" {
			t.Errorf("the proxy was asked for %s", uri)
		}
	default:
		t.Error("the proxy was not asked")
	}
}

// TestHTTPSecretsThatAreNoGood: what a secret turns out to hold is checked before it is used, and not shown.
func TestHTTPSecretsThatAreNoGood(t *testing.T) {
	broken := errors.New("read a secret: everybody can read it")
	noURL := "the address is no URL that begins with https:// or http:// and a host"
	none := func(context.Context, backup.Secret) ([]byte, error) { return nil, broken }
	server := quiet(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }, (*httptest.Server).Start)
	address := backup.Secret{Text: server.URL}
	header := func(name, value string) Channel {
		return &Webhook{URL: address, Headers: map[string]backup.Secret{name: {Text: value}}, Read: asText}
	}
	for name, test := range map[string]struct {
		channel Channel
		want    string
	}{
		"unreadable address": {&Healthchecks{URL: address, Read: none}, "read the address: " + broken.Error()},
		"unreadable token": {&Ntfy{URL: address, Token: backup.Secret{File: "token"}, Read: func(ctx context.Context, s backup.Secret) ([]byte, error) {
			if s.File != "" {
				return nil, broken
			}
			return asText(ctx, s)
		}}, "read the token: " + broken.Error()},
		"unreadable header": {&Webhook{URL: address, Headers: map[string]backup.Secret{"X-Key": {File: "key"}}, Read: func(ctx context.Context, s backup.Secret) ([]byte, error) {
			if s.File != "" {
				return nil, broken
			}
			return asText(ctx, s)
		}}, "read the header X-Key: " + broken.Error()},
		"words":           {&Healthchecks{URL: backup.Secret{Text: "hunter2 and more"}, Read: asText}, noURL},
		"no scheme":       {&Healthchecks{URL: backup.Secret{Text: "hunter2.example/ping"}, Read: asText}, noURL},
		"other scheme":    {&Ntfy{URL: backup.Secret{Text: "ftp://hunter2.example/"}, Read: asText}, noURL},
		"no host":         {&Webhook{URL: backup.Secret{Text: "https:///hunter2"}, Read: asText}, noURL},
		"port alone":      {&Webhook{URL: backup.Secret{Text: "https://:80/hunter2"}, Read: asText}, noURL},
		"bad port":        {&Webhook{URL: backup.Secret{Text: "https://a:hunter2/"}, Read: asText}, noURL},
		"bad escape":      {&Webhook{URL: backup.Secret{Text: "https://a/%hunter2"}, Read: asText}, noURL},
		"two lines":       {&Webhook{URL: backup.Secret{Text: server.URL + "/\r\nX: hunter2"}, Read: asText}, noURL},
		"header of lines": {header("X-Key", "a\r\nX-Other: hunter2"), "the value of the header X-Key has a line break or another control character"},
		"header with NUL": {header("X-Key", "a\x00hunter2"), "the value of the header X-Key has a line break or another control character"},
		"header's name":   {header("X Key", "hunter2"), `"X Key" is no name of a header`},
		"token of lines": {&Ntfy{URL: address, Token: backup.Secret{Text: "a\nhunter2"}, Read: asText},
			"the value of the header Authorization has a line break or another control character"},
		"method": {&Webhook{URL: address, Method: "P T", Read: asText}, "no request can be made of the address and the method"},
	} {
		err := test.channel.Deliver(t.Context(), failure)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v tells the secret", name, err)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 0, ""}, {"abc", 3, "abc"}, {"abcd", 3, "…"}, {"abcdef", 5, "ab…"}, {"äöü", 6, "äöü"}, {"äöüß", 7, "äö…"}, {"äöüß", 6, "ä…"},
	} {
		got := shorten(test.text, test.limit)
		if got != test.want || len(got) > test.limit || !utf8.ValidString(got) {
			t.Errorf("%q to %d: %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}
