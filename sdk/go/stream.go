package gateless

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gateless.dev/sdk-go/api"
)

// No log line or event comes near it.
const maxLineBytes = 4 << 20

func scanner(body io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLineBytes)
	return lines
}

// LogOptions say which log lines.
type LogOptions struct {
	// Follow goes on with new lines as they come.
	Follow bool
	// Tail is how many lines of the past; 0: the server's default.
	Tail int
	// SinceMs: only lines after this, in Unix milliseconds.
	SinceMs int64
	// Revision and Instance: only theirs.
	Revision, Instance string
}

// Logs are a function's lines.
type Logs struct {
	response *http.Response
	lines    *bufio.Scanner
}

// Logs reads a function's lines; with Follow until ctx ends, the server ends it, or Close.
func (c *Client) Logs(ctx context.Context, name string, options LogOptions) (*Logs, error) {
	query := url.Values{"follow": {strconv.FormatBool(options.Follow)}}
	if options.Tail > 0 {
		query.Set("tail", strconv.Itoa(options.Tail))
	}
	if options.SinceMs > 0 {
		query.Set("since_ms", strconv.FormatInt(options.SinceMs, 10))
	}
	if options.Revision != "" {
		query.Set("revision", options.Revision)
	}
	if options.Instance != "" {
		query.Set("instance", options.Instance)
	}
	response, err := c.get(ctx, c.path("functions", name, "logs"), query, nil)
	if err != nil {
		return nil, err
	}
	return &Logs{response: response, lines: scanner(response.Body)}, nil
}

// Next is the next line; io.EOF: the server ended it.
func (l *Logs) Next() (*api.LogLine, error) {
	for l.lines.Scan() {
		if len(strings.TrimSpace(l.lines.Text())) == 0 {
			continue
		}
		line := &api.LogLine{}
		return line, decode("the server", l.lines.Bytes(), line)
	}
	if err := l.lines.Err(); err != nil {
		return nil, unanswered("the server", err)
	}
	return nil, io.EOF
}

// Close ends it.
func (l *Logs) Close() error { return l.response.Body.Close() }

// EventOptions say which events.
type EventOptions struct {
	// AllNamespaces: of every one the token is good for, and not only the client's.
	AllNamespaces bool
	// Types: only these; none: all.
	Types []string
	// Function: only of this one.
	Function string
	// LastEventID: go on after this one.
	LastEventID string
}

// Event is what happened.
type Event struct {
	// ID is where to go on after it.
	ID   string
	Type string
	Data json.RawMessage
}

// Events are what happens, as it happens. A connection that breaks is taken up again after the last event, as often as the
// retry policy allows without an event in between; an event of type reset says that events were missed.
type Events struct {
	client   *Client
	ctx      context.Context
	options  EventOptions
	response *http.Response
	lines    *bufio.Scanner
	failures int
}

// Events connects at the first Next.
func (c *Client) Events(ctx context.Context, options EventOptions) *Events {
	return &Events{client: c, ctx: ctx, options: options}
}

// Next is the next event.
func (e *Events) Next() (*Event, error) {
	for {
		event, err := e.read()
		if err == nil {
			e.failures = 0
			return event, nil
		}
		e.Close()
		code := CodeOf(err)
		if (code != "transport" && code != "timeout") || e.ctx.Err() != nil {
			return nil, err
		}
		e.failures++
		pause, again := e.client.policy.pause(e.failures, 0)
		if !again || !sleep(e.ctx, pause) {
			return nil, err
		}
	}
}

func (e *Events) connect() error {
	query := url.Values{}
	if len(e.options.Types) > 0 {
		query.Set("types", strings.Join(e.options.Types, ","))
	}
	if e.options.Function != "" {
		query.Set("function", e.options.Function)
	}
	headers := map[string]string{"Accept": "text/event-stream"}
	if e.options.LastEventID != "" {
		headers["Last-Event-Id"] = e.options.LastEventID
	}
	path := "/v1/events"
	if !e.options.AllNamespaces {
		path = e.client.path("events")
	}
	response, err := e.client.get(e.ctx, path, query, headers)
	if err != nil {
		return err
	}
	e.response, e.lines = response, scanner(response.Body)
	return nil
}

func (e *Events) read() (*Event, error) {
	if e.response == nil {
		if err := e.connect(); err != nil {
			return nil, err
		}
	}
	var kind string
	var data []string
	size := 0
	for e.lines.Scan() {
		line := e.lines.Text()
		if line == "" {
			if len(data) > 0 {
				if kind == "" {
					kind = "message"
				}
				return &Event{ID: e.options.LastEventID, Type: kind, Data: json.RawMessage(strings.Join(data, "\n"))}, nil
			}
			kind, size = "", 0
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		if size += len(value); size > maxLineBytes {
			return nil, &Error{Code: "bad_answer", Detail: "an event is too large to be one"}
		}
		switch name {
		case "id":
			e.options.LastEventID = value
		case "event":
			kind = value
		case "data":
			data = append(data, value)
		}
	}
	if err := e.lines.Err(); err != nil {
		return nil, unanswered("the server", err)
	}
	return nil, &Error{Code: "transport", Detail: "the server ended the stream"}
}

// Close ends it; Next would connect anew.
func (e *Events) Close() error {
	if e.response == nil {
		return nil
	}
	response := e.response
	e.response, e.lines = nil, nil
	return response.Body.Close()
}
