package gateless

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// For how long a list of sidecars is used.
const listFor = 30 * time.Second

// request is what is sent to a function.
type request struct {
	method  string
	path    string
	headers http.Header
	body    []byte
	hasBody bool
	stream  io.Reader
}

// InvokeOption is one thing about a call.
type InvokeOption func(*request)

// Method of the call; without it POST when there is a body, else GET.
func Method(method string) InvokeOption { return func(r *request) { r.method = method } }

// Path and query below the function; "/" without it.
func Path(path string) InvokeOption {
	return func(r *request) {
		if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "?") {
			path = "/" + path
		}
		r.path = path
	}
}

// Header is one more.
func Header(name, value string) InvokeOption {
	return func(r *request) { r.headers.Add(name, value) }
}

// Body of the call.
func Body(body []byte) InvokeOption {
	return func(r *request) { r.body, r.hasBody = body, true }
}

// BodyFrom is streamed, and therefore sent but once.
func BodyFrom(body io.Reader) InvokeOption {
	return func(r *request) { r.stream, r.hasBody = body, true }
}

// IdempotencyKey says that calling twice does no harm; sidecars drop a second async call with the same key.
func IdempotencyKey(key string) InvokeOption { return Header(idempotencyKey, key) }

// Callback is where an async call's answer is sent.
func Callback(url string) InvokeOption { return Header("X-Callback-Url", url) }

// sidecars are where calls go. The server's list is a hint: the next is tried when one takes no connection.
type sidecars struct {
	given string
	mutex sync.Mutex
	known []string
	until time.Time
}

func (c *Client) entrances(ctx context.Context, fresh bool) ([]string, error) {
	s := &c.sidecars
	if s.given != "" {
		return []string{s.given}, nil
	}
	s.mutex.Lock()
	known, valid := s.known, time.Now().Before(s.until)
	s.mutex.Unlock()
	if valid && !fresh {
		return known, nil
	}
	// Several goroutines may ask at once: harmless, and nobody waits for another's request.
	list, err := Do(c.API.SidecarsAPI.ListSidecars(ctx).Limit(1000).Execute())
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, sidecar := range list.Items {
		if sidecar.Connected {
			urls = append(urls, strings.TrimRight(sidecar.PublicUrl, "/"))
		}
	}
	if len(urls) == 0 {
		hint := "start one with `gateless sidecar`, or name one with WithSidecar"
		return nil, &Error{Code: "no_sidecar", Detail: "the server knows no connected sidecar", Hint: hint}
	}
	s.mutex.Lock()
	s.known, s.until = urls, time.Now().Add(listFor)
	s.mutex.Unlock()
	return urls, nil
}

// Invoke calls a function (NAME, or NAME.NAMESPACE) at a sidecar and returns its answer, whatever its status; only what
// Gateless itself says is an error. The deadline of ctx bounds the call in the sidecar as well. Close the answer's body.
func (c *Client) Invoke(ctx context.Context, function string, options ...InvokeOption) (*http.Response, error) {
	return c.call(ctx, "function", function, options)
}

// InvokeAsync queues a call. When it returns, the call is on disk, and is delivered at least once.
func (c *Client) InvokeAsync(ctx context.Context, function string, options ...InvokeOption) (*Call, error) {
	// The options' own key, if there is one, replaces this.
	options = append([]InvokeOption{func(r *request) { r.headers.Set(idempotencyKey, newKey()) }}, options...)
	options = append(options, func(r *request) {
		keys := r.headers.Values(idempotencyKey)
		r.headers.Set(idempotencyKey, keys[len(keys)-1])
	})
	response, err := c.call(ctx, "async-function", function, options)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusAccepted {
		return nil, problemOf(response)
	}
	var accepted struct {
		ID    string `json:"id"`
		Token string `json:"token"`
	}
	if err := read(response, &accepted); err != nil {
		return nil, err
	}
	return c.Call(accepted.ID, accepted.Token), nil
}

func (c *Client) call(ctx context.Context, kind, function string, options []InvokeOption) (*http.Response, error) {
	r := &request{path: "/", headers: http.Header{}}
	for _, option := range options {
		option(r)
	}
	if r.method == "" {
		r.method = http.MethodGet
		if r.hasBody {
			r.method = http.MethodPost
		}
	}
	name := function
	if !strings.Contains(name, ".") {
		name += "." + c.Namespace
	}
	return c.exchange(ctx, "/"+kind+"/"+url.PathEscape(name)+r.path, r)
}

// exchange sends to sidecars until one answers, as often as the policy and ctx allow.
func (c *Client) exchange(ctx context.Context, path string, r *request) (*http.Response, error) {
	repeatable := isRepeatable(r.method, r.headers) && r.stream == nil
	entrances, err := c.entrances(ctx, false)
	if err != nil {
		return nil, err
	}
	tried := 0
	for attempt := 1; ; attempt++ {
		tried++
		response, failed := c.once(ctx, entrances[(attempt-1)%len(entrances)]+path, r)
		if failed == nil {
			return response, nil
		}
		gone := failed.Code == "unreachable"
		if gone && tried < len(entrances) && r.stream == nil {
			// Nothing was sent, so the next sidecar may have it whatever it is.
			continue
		}
		pause, again := c.policy.pause(attempt, failed.RetryAfter)
		if !again || !repeatable || !(gone || asksAgain(failed.Status)) || !sleep(ctx, pause) {
			return nil, failed
		}
		if gone {
			// None of them is there: the server may know others by now.
			if entrances, err = c.entrances(ctx, true); err != nil {
				return nil, err
			}
			tried = 0
		}
	}
}

func (c *Client) once(ctx context.Context, address string, r *request) (*http.Response, *Error) {
	var body io.Reader
	if r.stream != nil {
		body = r.stream
	} else if r.hasBody {
		body = bytes.NewReader(r.body)
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, &Error{Code: "invalid", Detail: err.Error(), cause: err}
	}
	sent.Header = r.headers.Clone()
	if until, given := ctx.Deadline(); given {
		left := time.Until(until)
		ms := (left - margin(left)).Milliseconds()
		if ms < 1 {
			ms = 1
		}
		sent.Header.Set("X-Gateless-Timeout-Ms", strconv.FormatInt(ms, 10))
	}
	response, err := c.http.Do(sent)
	if err != nil {
		return nil, unanswered(r.method+" "+address, err)
	}
	if failed := platformProblem(response); failed != nil {
		return nil, failed
	}
	return response, nil
}

// margin is what the other side is told to be done earlier by, so that its explanation arrives before ctx ends.
func margin(left time.Duration) time.Duration {
	if left > 10*time.Second {
		return time.Second
	}
	return left / 10
}

// read reads a JSON document and closes the answer.
func read(response *http.Response, into any) error {
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return unanswered("the sidecar", err)
	}
	return decode("the sidecar", text, into)
}
