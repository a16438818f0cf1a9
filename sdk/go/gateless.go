// Package gateless is the client: the generated operations, and a thin layer for calls, waits, streams and retries.
//
// Package api below it is made from openapi/openapi.json and never edited. There is deliberately no method per operation here:
// those are Client.API's, and Do gives their errors the type everything here has. Contexts are the deadlines.
package gateless

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gateless.dev/sdk-go/api"
)

// Client is a connection to one server as one user, in one namespace. It may be used by several goroutines.
type Client struct {
	// API has every operation of the document.
	API *api.APIClient
	// Namespace is where calls are made.
	Namespace string

	url      string
	token    string
	policy   RetryPolicy
	http     *http.Client
	sidecars sidecars
}

// Option is one thing about a client.
type Option func(*Client)

// WithToken authenticates.
func WithToken(token string) Option { return func(c *Client) { c.token = token } }

// WithNamespace is where calls are made; "default" without it.
func WithNamespace(namespace string) Option { return func(c *Client) { c.Namespace = namespace } }

// WithSidecar is a sidecar's public URL; without it the server is asked for them.
func WithSidecar(url string) Option {
	return func(c *Client) { c.sidecars.given = strings.TrimRight(url, "/") }
}

// WithRetry says when to try again.
func WithRetry(policy RetryPolicy) Option { return func(c *Client) { c.policy = policy } }

// WithTransport replaces what sends requests, for tests and proxies.
func WithTransport(transport http.RoundTripper) Option {
	return func(c *Client) { c.http.Transport = transport }
}

// New makes a client of the management API at address, as http://127.0.0.1:7780. Nothing is connected yet.
func New(address string, options ...Option) *Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	client := &Client{
		Namespace: "default",
		url:       strings.TrimRight(address, "/"),
		policy:    DefaultRetry,
		http: &http.Client{
			Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
			// An answer of a function's is its answer, also when it is a redirect.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, option := range options {
		option(client)
	}
	config := api.NewConfiguration()
	config.Servers = api.ServerConfigurations{{URL: client.url}}
	config.HTTPClient = &http.Client{
		Transport:     retrying{next: client.http.Transport, policy: client.policy},
		CheckRedirect: client.http.CheckRedirect,
	}
	if client.token != "" {
		config.AddDefaultHeader("Authorization", "Bearer "+client.token)
	}
	client.API = api.NewAPIClient(config)
	return client
}

// Do gives the outcome of a generated operation's Execute, its error as *Error:
//
//	function, err := gateless.Do(client.API.FunctionsAPI.GetFunction(ctx, "default", "site").Execute())
func Do[T any](value T, response *http.Response, err error) (T, error) {
	return value, Check(response, err)
}

// Check is Do for operations whose answer has no body.
func Check(response *http.Response, err error) error {
	if err == nil {
		return nil
	}
	body, isAnswer := err.(interface{ Body() []byte })
	if response != nil && isAnswer && response.StatusCode >= 400 {
		return problem(response, body.Body())
	}
	if response != nil && isAnswer {
		return &Error{Code: "bad_answer", Detail: err.Error(), cause: err}
	}
	return unanswered("the server", err)
}

// Apply creates a function, or makes it what is asked. version is that of the function last seen, and the error is
// precondition_failed (412) when it has changed; 0: whatever is there.
func (c *Client) Apply(ctx context.Context, name string, request api.ApplyRequest, version int64) (*api.Function, error) {
	apply := c.API.FunctionsAPI.ApplyFunction(ctx, c.Namespace, name).ApplyRequest(request)
	if version != 0 {
		apply = apply.IfMatch(fmt.Sprintf("%q", fmt.Sprint(version)))
	}
	return Do(apply.Execute())
}

// WaitReady waits until a function's newest revision is ready, until ctx ends. Without a deadline that is ten minutes.
func (c *Client) WaitReady(ctx context.Context, name string) (*api.Function, error) {
	until, given := ctx.Deadline()
	if !given {
		until = time.Now().Add(10 * time.Minute)
	}
	for {
		// In parts: one request that lasts ten minutes looks like a dead server to everything on its way.
		part := time.Until(until) - margin(time.Until(until))
		if part > 30*time.Second {
			part = 30 * time.Second
		}
		if part < 0 {
			part = 0
		}
		wait := c.API.FunctionsAPI.WaitForFunction(ctx, c.Namespace, name).Condition("ready").TimeoutMs(part.Milliseconds())
		function, err := Do(wait.Execute())
		if CodeOf(err) != "wait_timeout" || part < 30*time.Second {
			return function, err
		}
	}
}

// get sends a request for a stream to the server, and leaves the answer's body open.
func (c *Client) get(ctx context.Context, path string, query url.Values, headers map[string]string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, &Error{Code: "invalid", Detail: err.Error(), cause: err}
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.API.GetConfig().HTTPClient.Do(request)
	if err != nil {
		return nil, unanswered("GET "+c.url+path, err)
	}
	if response.StatusCode >= 400 {
		return nil, problemOf(response)
	}
	return response, nil
}

func (c *Client) path(segments ...string) string {
	path := "/v1/namespaces/" + url.PathEscape(c.Namespace)
	for _, segment := range segments {
		path += "/" + url.PathEscape(segment)
	}
	return path
}

func decode(whom string, text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return &Error{Code: "bad_answer", Detail: whom + ": " + err.Error(), cause: err}
	}
	return nil
}
