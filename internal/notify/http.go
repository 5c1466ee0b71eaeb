package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"borgcron/internal/backup"
)

const (
	mostAnswer = 64 << 10    // bytes of an answer that are read, and of its header
	answerTime = time.Second // for the rest of an answer that has begun well
)

// newHTTPClient makes a client for a delivery.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			OnProxyConnectResponse: checkProxy,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: mostAnswer,
			DisableKeepAlives:      true, // deliveries are hours apart
		},
		// A POST that is redirected becomes a GET: it would look delivered and say nothing.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// proxyError is a proxy that refused to connect us, with its status.
type proxyError int

func (e proxyError) Error() string { return "the proxy " + answered(int(e)) }

func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode != http.StatusOK {
		return proxyError(response.StatusCode)
	}
	return nil
}

// readAddress reads the address that a request goes to. It may be a secret itself and is in no error.
func readAddress(ctx context.Context, read Secrets, secret backup.Secret) (*url.URL, error) {
	text, err := read(ctx, secret)
	if err != nil {
		return nil, fmt.Errorf("read the address: %w", err)
	}
	address, err := url.Parse(strings.TrimSpace(string(text)))
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Hostname() == "" {
		return nil, errors.New("the address is no URL that begins with https:// or http:// and a host")
	}
	return address, nil
}

func newHTTPRequest(ctx context.Context, method string, address *url.URL, body string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, address.String(), strings.NewReader(body))
	if err != nil { // err holds the address
		return nil, errors.New("no request can be made of the address and the method")
	}
	request.Header.Set("User-Agent", "borgcron")
	return request, nil
}

// setHeader sets a header line. A value with a line break would be more than one.
func setHeader(request *http.Request, name, value string) error {
	if name == "" || strings.ContainsFunc(name, notToken) {
		return fmt.Errorf("%q is no name of a header", name)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("the value of the header %s has a line break or another control character", name)
	}
	if strings.EqualFold(name, "Host") {
		request.Host = value // net/http takes it from here only
	}
	request.Header.Set(name, value)
	return nil
}

// notToken tells whether a character cannot stand in a header's name, see RFC 9110, section 5.6.2.
func notToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// sendHTTP sends a request and returns the beginning of the answer's body, which may well hold what was sent and
// is never to be shown. Only an answer of 2xx means that the message was taken.
func sendHTTP(client *http.Client, request *http.Request) (body []byte, err error) {
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	response, err := client.Do(request.WithContext(ctx))
	if err != nil {
		return nil, httpReason(request.Context(), err)
	}
	defer response.Body.Close()
	// The message is with the server by now: what becomes of the rest of its answer is of no matter.
	defer time.AfterFunc(answerTime, cancel).Stop()
	body, _ = io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if response.StatusCode/100 != 2 {
		return nil, errors.New(answered(response.StatusCode))
	}
	return body, nil
}

// answered says a status in our own words: those of the server are foreign text.
func answered(status int) string {
	what := strings.TrimSpace(fmt.Sprintf("answered %d %s", status, http.StatusText(status)))
	if status/100 == 3 {
		what += ", which is not followed: configure the address that it leads to"
	}
	return what
}

// httpReason reduces an error of net/http to what happened. All else that such errors say (the URL, addresses,
// names, what the server wrote) may be secret.
func httpReason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	} else if cause != nil {
		return cause
	}
	reason := reasonOf(err)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "proxyconnect" {
		return fmt.Errorf("the proxy cannot be used: %w", reason)
	}
	return reason
}

func reasonOf(err error) error {
	var (
		proxy       proxyError
		certificate *tls.CertificateVerificationError
		dns         *net.DNSError
		number      syscall.Errno
		op          *net.OpError
		timeout     net.Error
	)
	switch {
	case errors.As(err, &proxy):
		return proxy
	case errors.As(err, &certificate):
		return errors.New(certificateReason(certificate))
	case errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("the server speaks http there, not https")
	case errors.As(err, &dns) && dns.IsNotFound:
		return errors.New("the name of the server could not be resolved: there is no such name")
	case errors.As(err, &dns):
		return errors.New("the name of the server could not be resolved: the name service does not answer")
	case errors.As(err, &number):
		return number
	case errors.As(err, &op) && op.Op == "remote error": // an alert of TLS, of which there is a fixed number
		return fmt.Errorf("the server refused the encrypted connection (%w)", op.Err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the server closed the connection without an answer")
	}
	return errors.New("there was no proper HTTP answer")
}

// shorten cuts a text to a number of bytes, between two characters; what is cut ends in an ellipsis.
func shorten(text string, limit int) string {
	const ellipsis = "…"
	if len(text) <= limit {
		return text
	}
	end := max(limit-len(ellipsis), 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
